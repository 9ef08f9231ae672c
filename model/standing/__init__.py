"""Clusters that start with topics already there: put on their disks before the first process starts, in either mode."""
