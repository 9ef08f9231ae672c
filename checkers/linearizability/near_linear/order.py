"""A known order against real time."""

from collections.abc import Iterable

from fencepost.checkers.linearizability.operation import Operation


def out_of_order(groups: Iterable[Iterable[Operation]]) -> tuple[Operation, Operation] | None:
    """(earlier, later) where the earlier must come in or before the later's group, but the groups' order says after.

    Groups follow each other; within one, operations may come in any order. An order that real time allows exists
    exactly if no operation returned before one of an earlier group was called.
    """
    latest: Operation | None = None
    for group in groups:
        newest = latest
        for operation in group:
            if latest is not None and operation.ret is not None and operation.ret < latest.call:
                return operation, latest
            if newest is None or operation.call > newest.call:
                newest = operation
        latest = newest
    return None
