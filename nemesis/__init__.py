"""Faults, symbolic targets, schedules and how they are drawn. Knows a cluster only by the `Cluster` protocol."""
