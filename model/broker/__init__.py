"""A broker: its life cycle, partitions, fetchers, authorizer and group coordinator."""
