"""What each architecture costs: the same cluster on ZooKeeper and on a quorum, measured in virtual time.

A measurement starts a cluster with topics already there, lets it come to rest, does one thing to it and watches how
long the cluster takes: with the whole model underneath, under Kafka's own time-outs, and with what the world and the
work are assumed to take (`assumptions`) said beside the figures.
"""
