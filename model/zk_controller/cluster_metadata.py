"""Kafka's metadata as one ZooKeeper server has applied it: the `metadata-applied` of ZooKeeper mode.

The server stands in for a quorum controller of KRaft mode: it tells of each committed transaction that changes Kafka's
metadata, with its records and the digest of the image that follows, under the epoch of the zxid.
"""

from collections.abc import Iterable
from typing import Any

from fencepost.model.controller.result import described
from fencepost.model.kernel.node import Node
from fencepost.model.metadata.image import MetadataImage
from fencepost.model.zk_controller.metadata_records import MetadataRecords, TreeNode, offset_of
from fencepost.model.zookeeper.transactions import Transaction, epoch_of


class ClusterMetadata:
    """Follows one cluster (its chroot) in what a server applies.

    node: the server that tells of it.
    image: what the transactions so far come to; a broker epoch is a czxid, a partition epoch a state's version.
    last_zxid: of the last transaction followed. Where the server's tree was elsewhere before it applied the next one,
        `resync` comes first.
    """

    def __init__(self, node: Node, chroot: str = "") -> None:
        self.node = node
        self._records = MetadataRecords(chroot)
        self.image = MetadataImage()
        self.last_zxid = 0

    def load(self, tree: Iterable[TreeNode], last_zxid: int) -> None:
        """Begin from a whole tree; nothing is reported."""
        for offset, record in self._records.resync(tree, last_zxid):
            self.image.apply(record, offset)
        self.last_zxid = last_zxid

    def resync(self, tree: Iterable[TreeNode], last_zxid: int) -> None:
        """The server's tree has come to `last_zxid` by more than single transactions: a snapshot, the disk's log."""
        self._report(self._records.resync(tree, last_zxid), last_zxid, offset_of(last_zxid + 1))

    def apply(self, transaction: Transaction) -> None:
        """The server has applied the transaction that follows `last_zxid`."""
        records = self._records.apply(transaction.zxid, transaction.body)
        self._report(records, transaction.zxid, records[-1][0] + 1 if records else 0)

    def _report(self, records: list[tuple[int, Any]], zxid: int, end_offset: int) -> None:
        self.last_zxid = zxid
        for offset, record in records:
            self.image.apply(record, offset)
        if records:
            value = {
                "end_offset": end_offset, "digest": self.image.digest, "role": "controller",
                "records": [[offset, *described(record)] for offset, record in records],
            }
            self.node.observe("metadata-applied", value=value, leader_epoch=epoch_of(zxid))
