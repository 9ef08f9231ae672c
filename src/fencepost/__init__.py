"""Fencepost: fault injection and consistency checking for Kafka's control plane and the data it protects."""
