"""Where a group of the time before 0.9 keeps its offsets: in ZooKeeper, or in both (dual commit).

With dual commit a commit goes to the broker that keeps the group's offsets, without member or generation, and once it
is answered to ZooKeeper: two writes, and a crash between them leaves them apart. A reader takes the larger of the two.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fencepost.model import errors
from fencepost.model.protocol.group import OffsetFetchRequest, OffsetFetchResponse, TopicPartition
from fencepost.model.zk_client.offset_znodes import OffsetZnodes, Readings

if TYPE_CHECKING:
    from fencepost.model.zk_client.client_node import ZkClientNode


class Fetched(NamedTuple):
    """What was read. offsets: -1 where there is none; with dual commit the larger one.

    readings: ZooKeeper's part. kafka, coordinator_epoch: the broker's part, None where it was not asked.
    """

    offsets: dict[TopicPartition, int]
    readings: Readings
    kafka: dict[TopicPartition, int] | None = None
    coordinator_epoch: int | None = None


class StoredOffsets:
    """Reads one group's offsets from where they are kept."""

    def __init__(self, client: "ZkClientNode", znodes: OffsetZnodes, group: str) -> None:
        self._client = client
        self._znodes = znodes
        self._group = group

    def fetch(
        self, places: Sequence[TopicPartition], require_stable: bool, principal: str, then: Callable[..., None],
        *args: Any,
    ) -> None:
        """Read once; `then(what was fetched or None, error or None, *args)` follows."""
        if self._client.consumer_config.dual_commit_enabled:
            request = OffsetFetchRequest(self._group, tuple(places), require_stable, principal)
            self._client.coordinators.find(self._group, self._ask, request, then, args)
        else:
            self._znodes.read(places, self._on_znodes, None, then, args)

    def _ask(
        self, coordinator: int | None, request: OffsetFetchRequest, then: Callable[..., None], args: tuple[Any, ...]
    ) -> None:
        client = self._client
        if coordinator is None:
            then(None, errors.COORDINATOR_NOT_AVAILABLE, *args)
            return
        client.request(
            coordinator, "group", request, client.config.request_timeout_us // 3, self._on_kafka, coordinator, then,
            args)

    def _on_kafka(
        self, response: OffsetFetchResponse | None, coordinator: int, then: Callable[..., None], args: tuple[Any, ...]
    ) -> None:
        error = errors.DISCONNECTED if response is None else response.error
        self._client.coordinators.note_answer(self._group, coordinator, error)
        if response is None or error is not None:
            then(None, error, *args)
        else:
            places = [place for place, _ in response.offsets]
            self._znodes.read(places, self._on_znodes, response, then, args)

    @staticmethod
    def _on_znodes(
        readings: Readings, response: OffsetFetchResponse | None, then: Callable[..., None], args: tuple[Any, ...]
    ) -> None:
        in_zookeeper = {place: reading[0] for place, reading in readings.items()}
        if response is None:
            then(Fetched(in_zookeeper, readings), None, *args)
            return
        kafka = dict(response.offsets)
        larger = {place: max(offset, in_zookeeper[place]) for place, offset in kafka.items()}
        then(Fetched(larger, readings, kafka, response.coordinator_epoch), None, *args)
