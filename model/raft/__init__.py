"""The Raft quorum on __cluster_metadata (KIP-595, KIP-630, KIP-996), as Kafka's KafkaRaftClient runs it."""
