"""What the ensemble has committed, told as Kafka's metadata: each transaction once, by the first server to know.

A server that begins to lead may have applied, before it led, what nobody had committed by then; it is committed now,
and told before anything else.
"""

from fencepost.model.kernel.node import Node
from fencepost.model.zk_controller.cluster_metadata import ClusterMetadata
from fencepost.model.zookeeper.transactions import Transaction


class EnsembleMetadata:
    """Observes the metadata of one cluster as the ensemble commits it."""

    def __init__(self, node: Node) -> None:
        self._metadata = ClusterMetadata(node)

    def on_committed(self, node: Node, transaction: Transaction) -> None:
        """A server knows that this is committed."""
        if transaction.zxid > self._metadata.last_zxid:
            self._metadata.node = node
            self._metadata.apply(transaction)
