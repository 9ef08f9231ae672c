"""The producing side of a client (KafkaProducer, one batch at a time).

A plain producer sends once: after an answer that leaves it open whether the batch was written, sending again could
write it twice. An idempotent one sends the same sequence again until it knows, or its time is over; then it gives its
producer id up, as Kafka's does after a delivery time-out.
"""

from typing import TYPE_CHECKING, Any

from fencepost.histories.event import INFO, OK
from fencepost.model import errors
from fencepost.model.client.classification import is_definite, outcome
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
    """Operations `produce`: {topic, partition, count, acks, idempotent}."""

    def __init__(self, client: "ClientNode") -> None:
        self._client = client
        self._produced = 0
        self.forget()

    def forget(self) -> None:
        """Begin anew, with another producer id."""
        self._producer_id = -1
        self._producer_epoch = -1
        self._sequences: dict[tuple[str, int], int] = {}

    def produce(self, operation: dict[str, Any]) -> None:
        """Send a batch of new records to one partition."""
        client = self._client
        records = []
        for _ in range(operation["count"]):
            records.append(f"p{client.process}-{self._produced}")
            self._produced += 1
        key = f"{operation['topic']}-{operation['partition']}"
        value = {"records": records, "acks": operation["acks"], "idempotent": operation["idempotent"]}
        client.invoke(operation, key, value)
        self._attempt(operation, key, tuple(records), False)

    def _attempt(self, operation: dict[str, Any], key: str, records: tuple[str, ...], indeterminate: bool) -> None:
        client = self._client
        if operation["idempotent"] and self._producer_id < 0:
            client.request(
                client.any_broker(), "producer", InitProducerIdRequest(client.principal),
                client.config.request_timeout_us, self._on_producer_id, operation, key, records, indeterminate)
            return
        leader, _ = client.leader_of(operation["topic"], operation["partition"])
        if leader < 0:
            client.refresh(operation, self._attempt, operation, key, records, indeterminate)
            return
        request = ProduceRequest(
            operation["topic"], operation["partition"], records, operation["acks"], client.config.request_timeout_us,
            client.principal)
        if operation["idempotent"]:
            request.producer_id, request.producer_epoch = self._producer_id, self._producer_epoch
            request.base_sequence = self._sequences.get((operation["topic"], operation["partition"]), 0)
        if operation["acks"] == 0:
            client.send(leader, "producer", request)
            client.complete(operation, key, OK, {"base_offset": None})
            return
        client.request(
            leader, "producer", request, client.config.request_timeout_us, self._on_response, operation, key, records,
            indeterminate)

    def _on_producer_id(
        self, response: InitProducerIdResponse | None, operation: dict[str, Any], key: str, records: tuple[str, ...],
        indeterminate: bool,
    ) -> None:
        client = self._client
        if not client.is_open(operation):
            return
        if response is None or response.error is not None:
            client.refresh(operation, self._attempt, operation, key, records, indeterminate)
            return
        self._producer_id, self._producer_epoch = response.producer_id, response.producer_epoch
        self._attempt(operation, key, records, indeterminate)

    def _on_response(
        self, response: ProduceResponse | None, operation: dict[str, Any], key: str, records: tuple[str, ...],
        indeterminate: bool,
    ) -> None:
        client = self._client
        if not client.is_open(operation):
            return
        error = errors.DISCONNECTED if response is None else response.error
        if error is None:
            assert response is not None
            if operation["idempotent"]:
                place = (operation["topic"], operation["partition"])
                self._sequences[place] = self._sequences.get(place, 0) + len(records)
            client.complete(
                operation, key, OK, {"base_offset": response.base_offset}, leader_epoch=response.leader_epoch)
            return
        definite = is_definite("produce", error)
        indeterminate = indeterminate or not definite
        if operation["idempotent"] and (not definite or error in _WORTH_A_RETRY):
            client.refresh(operation, self._attempt, operation, key, records, indeterminate)
            return
        # Also where it failed for certain: the next attempt should know the leader.
        client.topics = {} if not definite else client.topics
        type_ = outcome("produce", error, indeterminate)
        if operation["idempotent"] and type_ != INFO:
            self.forget()
        client.complete(operation, key, type_, None, error)
