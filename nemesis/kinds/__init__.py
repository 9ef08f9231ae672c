"""The kinds of fault. Each is one class, in the module of what it strikes; to add one, write it there (see `kind`)."""

from fencepost.nemesis.kinds import partitions, process, zookeeper
from fencepost.nemesis.kinds.kind import KINDS, Kind, Strike

__all__ = ["KINDS", "Kind", "Strike", "partitions", "process", "zookeeper"]
