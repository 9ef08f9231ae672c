"""The simulated cluster: a deterministic kernel and, on it, Kafka's control plane, data plane and clients."""
