"""Clients of the time before Kafka 0.9: they find brokers through ZooKeeper and keep their consumer groups there."""
