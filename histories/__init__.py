"""What happened in a run: the event record, the vocabulary of observations, and the store of run directories."""
