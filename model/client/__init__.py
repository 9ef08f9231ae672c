"""The protocol side of Kafka's clients: producer, consumer, administration."""
