"""Kafka's metadata in KRaft mode: the records of __cluster_metadata and the image that they add up to."""
