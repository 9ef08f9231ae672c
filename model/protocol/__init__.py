"""The messages that nodes exchange, under Kafka's names. A message is not changed once it has been sent."""
