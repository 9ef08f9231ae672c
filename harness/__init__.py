"""Workloads, runs, campaigns, replay, reports and the command line."""
