"""Kafka's metadata as one ZooKeeper server has applied it: the `metadata-applied` of ZooKeeper mode.

The server stands in for a quorum controller of KRaft mode: it tells of each committed transaction that changes Kafka's
metadata, with its records and the digest of the image that follows, under the epoch of the zxid.
"""

from collections.abc import Iterable
from typing import Any

from fencepost.model.controller.result import described
from fencepost.model.kernel.node import Node
from fencepost.model.metadata.image import MetadataImage
from fencepost.model.zk_controller.metadata_records import MetadataRecords
from fencepost.model.zookeeper.transactions import Transaction, epoch_of


class ClusterMetadata:
    """Follows one cluster (its chroot) in what a server applies.

    image: what the transactions so far come to; a broker epoch is a czxid, a partition epoch a state's version.
    """

    def __init__(self, node: Node, chroot: str = "") -> None:
        self._node = node
        self._records = MetadataRecords(chroot)
        self.image = MetadataImage()

    def load(self, znodes_found: Iterable[tuple[str, Any, int, int]]) -> None:
        """Begin from a whole tree: (path, data, version, czxid) of every znode, parents first; nothing is reported."""
        self.image = MetadataImage()
        for offset, record in self._records.load(znodes_found):
            self.image.apply(record, offset)

    def apply(self, transaction: Transaction) -> None:
        """The server has applied a transaction."""
        records = self._records.apply(transaction.zxid, transaction.body)
        for offset, record in records:
            self.image.apply(record, offset)
        if records:
            value = {
                "end_offset": records[-1][0] + 1, "digest": self.image.digest, "role": "controller",
                "records": [[offset, *described(record)] for offset, record in records],
            }
            self._node.observe("metadata-applied", value=value, leader_epoch=epoch_of(transaction.zxid))
