"""Producer ids for idempotent producers, from blocks that the controller hands out (RPCProducerIdManager, KIP-730)."""

from fencepost.model import errors
from fencepost.model.broker.controller_channel import RequestChannel
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.node import Node
from fencepost.model.protocol.controller import AllocateProducerIdsRequest, AllocateProducerIdsResponse
from fencepost.model.protocol.data import InitProducerIdResponse


class ProducerIdManager:
    """Hands out each id once; while no block is at hand, requests are answered COORDINATOR_LOAD_IN_PROGRESS."""

    def __init__(self, node: Node, channel: RequestChannel) -> None:
        self._node = node
        self._channel = channel
        self._next_id = 0
        self._end_id = 0
        self._asking = False
        self.broker_epoch = -1

    def next_producer_id(self, reply: Reply) -> None:
        """Answer an InitProducerId request."""
        if self._next_id < self._end_id:
            reply.send(InitProducerIdResponse(None, self._next_id, 0))
            self._next_id += 1
            return
        reply.send(InitProducerIdResponse(errors.COORDINATOR_LOAD_IN_PROGRESS))
        if not self._asking:
            self._asking = True
            self._channel.send(AllocateProducerIdsRequest(self._node.node_id, self.broker_epoch), self._on_block)

    def _on_block(self, response: AllocateProducerIdsResponse | None) -> None:
        self._asking = False
        if response is not None and response.error is None:
            self._next_id = response.producer_id_start
            self._end_id = response.producer_id_start + response.producer_id_length
