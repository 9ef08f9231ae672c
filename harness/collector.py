"""Python's cycle collector, told to take its time while a run goes on.

A run allocates fast and keeps nearly all of it, its history, until it ends: the collector's default of a look at every
700 new objects finds nothing and takes a seventh of a run's time.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: New objects between two looks; at most some ten megabytes of garbage wait for the next one.
_LOOK_EVERY_OBJECTS = 50_000


@contextmanager
def unhurried_collector() -> Iterator[None]:
    """Look for garbage cycles less often inside the block; afterwards as before."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], _LOOK_EVERY_OBJECTS), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
