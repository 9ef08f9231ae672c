"""The producing side of a client (KafkaProducer, one batch at a time).

A plain producer sends once: after an answer that leaves it open whether the batch was written, sending again could
write it twice. An idempotent one sends the same sequence again until it knows or delivery.timeout.ms is over; unless
the batch was acknowledged it then takes a new producer id, so that no later batch depends on this one's fate.

Left out: batches in flight together (max.in.flight.requests.per.connection is 1), epoch bumps and transactions.
"""

from typing import TYPE_CHECKING

from fencepost.histories.event import OK
from fencepost.model import errors
from fencepost.model.client.classification import PRODUCE
from fencepost.model.client.operation import Operation
from fencepost.model.protocol.data import (
    InitProducerIdRequest,
    InitProducerIdResponse,
    ProduceRequest,
    ProduceResponse,
)

if TYPE_CHECKING:
    from fencepost.model.client.client_node import ClientNode

#: Refusals that pass by themselves: the replicas come back.
_WORTH_A_RETRY = (errors.NOT_ENOUGH_REPLICAS,)


class Producer:
    """Operations `produce`: {topic, partition, count, acks, idempotent}. Record ids are `p<process>-<number>`."""

    def __init__(self, client: "ClientNode") -> None:
        self._client = client
        self.forget()

    def forget(self) -> None:
        """Begin anew, with another producer id."""
        self._producer_id = -1
        self._producer_epoch = -1
        #: (topic, partition) -> the next sequence; a topic that is created anew takes any of a producer new to it
        self._sequences: dict[tuple[str, int], int] = {}

    def produce(self, operation: Operation) -> None:
        """Send a batch of new records to one partition."""
        data, client = operation.data, self._client
        records = client.new_records(data["count"])
        value = {"records": records, "acks": data["acks"], "idempotent": data["idempotent"]}
        client.invoke(operation, f"{data['topic']}-{data['partition']}", value, client.config.delivery_timeout_us)
        self._try(operation)

    def _try(self, operation: Operation) -> None:
        if operation.data["idempotent"] and self._producer_id < 0:
            self._ask_producer_id(operation)
        else:
            self._client.with_leader(
                operation, operation.data["topic"], operation.data["partition"], self._send, operation)

    # --- the producer id ------------------------------------------------------------------------------------------

    def _ask_producer_id(self, operation: Operation) -> None:
        client = self._client
        if operation.is_open:
            client.request(
                client.any_broker(), "producer-id", InitProducerIdRequest(client.principal),
                client.config.request_timeout_us // 3, self._on_producer_id, operation)

    def _on_producer_id(self, response: InitProducerIdResponse | None, operation: Operation) -> None:
        if not operation.is_open:
            return
        if response is None or response.error is not None:
            self._client.schedule(self._client.config.retry_backoff_us, self._ask_producer_id, operation)
            return
        self._producer_id, self._producer_epoch = response.producer_id, response.producer_epoch
        self._try(operation)

    # --- the batch ------------------------------------------------------------------------------------------------

    def _send(self, leader: int, leader_epoch: int, operation: Operation) -> None:
        data, client = operation.data, self._client
        request = ProduceRequest(
            data["topic"], data["partition"], tuple(operation.value["records"]), data["acks"],
            client.config.request_timeout_us, client.principal)
        if data["idempotent"]:
            request.producer_id, request.producer_epoch = self._producer_id, self._producer_epoch
            request.base_sequence = self._sequences.get((data["topic"], data["partition"]), 0)
        if data["acks"] == 0:
            client.send(leader, "producer", request)
            client.complete(operation, OK, {"base_offset": None})
        else:
            client.attempt(operation, leader, "producer", request, self._on_response)

    def _on_response(self, response: ProduceResponse | None, operation: Operation) -> None:
        client, data = self._client, operation.data
        if not operation.is_open:
            return
        if response is not None and response.error is None:
            if data["idempotent"]:
                place = (data["topic"], data["partition"])
                self._sequences[place] = self._sequences.get(place, 0) + data["count"]
            client.complete(
                operation, OK, {"base_offset": response.base_offset}, leader_epoch=response.leader_epoch)
            return
        error = errors.DISCONNECTED if response is None else str(response.error)
        definite = client.settle(operation, PRODUCE, error)
        if not definite:
            client.metadata.forget_leader(data["topic"], data["partition"])
        if data["idempotent"] and not definite:
            self._try(operation)
        elif data["idempotent"] and error in _WORTH_A_RETRY:
            client.schedule(client.config.retry_backoff_us, self._try, operation)
        else:
            if data["idempotent"]:
                self.forget()
            client.refuse(operation, PRODUCE, error)
