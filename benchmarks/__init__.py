"""What the simulation costs: `python -m benchmarks` prints it all in one run."""
