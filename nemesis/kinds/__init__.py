"""The kinds of fault. Each is one class, in the module of what it strikes; to add one, write it there (see `kind`)."""

from fencepost.nemesis.kinds import administration, clock, disk, partitions, process, repeated, traffic, zookeeper
from fencepost.nemesis.kinds.kind import DEFINED, PLANES, Kind, Strike

#: Every kind by its name, plane by plane.
KINDS: dict[str, Kind] = dict(sorted(DEFINED.items(), key=lambda item: PLANES.index(item[1].plane)))

__all__ = [
    "KINDS", "Kind", "Strike", "administration", "clock", "disk", "partitions", "process", "repeated", "traffic",
    "zookeeper",
]
