"""What the ensemble has committed of consumer groups: offsets and owners, each transaction once, as the first server
knows of it.

An offset written is an `offset-commit-accepted` like a coordinator's, with the zxid for the place in the order.
"""

from collections.abc import Iterator

from fencepost.model.kernel.node import Node
from fencepost.model.protocol.group import partition_name
from fencepost.model.zk_client.offset_znodes import NO_OFFSET
from fencepost.model.zk_client.znodes import OFFSETS, OWNERS, place_of
from fencepost.model.zookeeper.transactions import (
    Body,
    CloseSessionTxn,
    CreateTxn,
    DeleteTxn,
    MultiTxn,
    SetDataTxn,
    Transaction,
)


class EnsembleOffsets:
    """Observes one cluster's groups in what the ensemble commits."""

    def __init__(self) -> None:
        self._last_zxid = 0

    def on_committed(self, node: Node, transaction: Transaction) -> None:
        """A server knows that this is committed."""
        if transaction.zxid > self._last_zxid:
            self._last_zxid = transaction.zxid
            for change in _changes(transaction.body):
                if isinstance(change, DeleteTxn):
                    _observe_owner(node, change.path, None, transaction)
                else:
                    _observe_offset(node, change, transaction)
                    if isinstance(change, CreateTxn):
                        _observe_owner(node, change.path, change.data, transaction)


def _changes(body: Body) -> Iterator[CreateTxn | DeleteTxn | SetDataTxn]:
    if isinstance(body, CloseSessionTxn):
        yield from map(DeleteTxn, body.paths)
    for part in body.parts if isinstance(body, MultiTxn) else (body,):
        if isinstance(part, CreateTxn | DeleteTxn | SetDataTxn):
            yield part


def _observe_offset(node: Node, change: CreateTxn | SetDataTxn, transaction: Transaction) -> None:
    found = place_of(change.path, OFFSETS)
    if found is None or int(change.data) == NO_OFFSET:
        return
    group, place = found
    name = partition_name(place)
    value = {
        "store": "zookeeper", "session": transaction.session_id, "offsets": {name: int(change.data)},
        "zxid": transaction.zxid}
    node.observe("offset-commit-accepted", key=group, value=value)


def _observe_owner(node: Node, path: str, owner: str | None, transaction: Transaction) -> None:
    found = place_of(path, OWNERS)
    if found is not None:
        group, place = found
        value = {
            "partition": partition_name(place), "owner": owner, "session": transaction.session_id,
            "zxid": transaction.zxid}
        node.observe("partition-owned", key=group, value=value)
