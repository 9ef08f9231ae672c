"""The simulation kernel: virtual time, named random streams, the network, disks and nodes. It knows nothing of
Kafka."""
