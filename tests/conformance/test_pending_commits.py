"""Commits that are not yet replicated, at the model's coordinator and at Kafka's own: broker 1 is real and coordinates
the group, and the test follows in the names of brokers 2 and 3, so that it says when a commit is replicated.

3.9's coordinator is another than 4.0's, which the model follows: it refuses a fetch that is to be stable, where 4.0's
lets it wait.
"""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

import pytest

pytest.importorskip("kio", reason="kio is not installed, so nothing can be asked of a real Kafka")

from controller_node import CONFIG
from data_drawing import PREPARATION
from data_steps import Fetch
from model_broker import NODE, REST_US, ModelBroker
from real_broker import RealBroker, real_broker
from real_controller import error_name
from real_kafka import VERSIONS
from sequences import LONG, jars_or_skip, newest_and_oldest
from steps import CreateTopic
from wire import Connection, schema

from fencepost.model.protocol import group

_OFFSETS = "__consumer_offsets"
_SETUP = (*PREPARATION, CreateTopic(_OFFSETS, ((1, 2, 3),)))
#: Both followers fetch what there is, and say so with their next fetch.
_REPLICATED = tuple(Fetch(0, follower, topic=_OFFSETS) for _ in range(2) for follower in (2, 3))
_WAITS = "waits"
PATIENT = replace(
    CONFIG, broker_session_timeout_us=90_000_000, replica_lag_time_max_us=3_600_000_000, offsets_topic_num_partitions=1)


class Coordinator(Protocol):
    """One group's, on either side. What is asked for is answered with an error, an offset, None, or not yet."""

    def commit(self, offset: int) -> Any:
        """Begin a commit by nobody in particular."""

    def fetch(self, stable: bool) -> Any:
        """Begin a fetch of the committed offset."""

    def answer(self, asked: Any) -> str | int | None:
        """What has been answered by now."""

    def replicate(self) -> None:
        """Follow up to the end."""


class ModelCoordinator:
    """The model's."""

    def __init__(self) -> None:
        self._broker = ModelBroker(PATIENT)
        self._world = self._broker._world
        for step in _SETUP:
            self._broker.ask(step)
        while self._world.ask_node(NODE, group.OffsetFetchRequest("g", ())).error is not None:
            self._world.ask_node(NODE, group.FindCoordinatorRequest("g"))

    def commit(self, offset: int) -> list[Any]:
        return self._world.begin(NODE, group.OffsetCommitRequest("g", -1, "", None, ((("orders", 0), offset, -1),)))

    def fetch(self, stable: bool) -> list[Any]:
        return self._world.begin(NODE, group.OffsetFetchRequest("g", (("orders", 0),), stable))

    def answer(self, asked: list[Any]) -> str | int | None:
        self._world.run(REST_US)
        if not asked:
            return _WAITS
        return asked[0].error or (asked[0].offsets[0][1] if isinstance(asked[0], group.OffsetFetchResponse) else None)

    def replicate(self) -> None:
        for step in _REPLICATED:
            self._broker.ask(step)


class RealCoordinator:
    """Kafka's own."""

    def __init__(self, broker: RealBroker, port: int) -> None:
        self._broker = broker
        self._port = port
        self._connections: list[Connection] = []
        broker.start_afresh()
        for step in _SETUP:
            broker.ask(step)
        find = schema("find_coordinator", 4).FindCoordinatorRequest(key_type=0, coordinator_keys=("g",))
        with Connection(port) as connection:
            while (connection.ask(find).coordinators[0].error_code.value
                   or connection.ask(_fetch_request(False)).error_code.value):
                pass

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _begin(self, request: Any) -> tuple[Connection, type]:
        connection = Connection(self._port)
        self._connections.append(connection)
        connection.ask(schema("api_versions", 3).ApiVersionsRequest(
            client_software_name="fencepost", client_software_version="1"))
        connection.tell(request)
        return connection, type(request)

    def commit(self, offset: int) -> tuple[Connection, type]:
        api = schema("offset_commit", 8)
        partition = api.OffsetCommitRequestPartition(partition_index=0, committed_offset=offset, committed_metadata="")
        return self._begin(api.OffsetCommitRequest(
            group_id="g", generation_id_or_member_epoch=-1, member_id="", group_instance_id=None,
            topics=(api.OffsetCommitRequestTopic(name="orders", partitions=(partition,)),)))

    def fetch(self, stable: bool) -> tuple[Connection, type]:
        return self._begin(_fetch_request(stable))

    def answer(self, asked: tuple[Connection, type]) -> str | int | None:
        """A request has been handled when two others were that came after it."""
        connection, kind = asked
        with Connection(self._port) as steady:
            for _ in range(2):
                steady.ask(_fetch_request(False))
        if not select.select([connection], [], [], 0)[0]:
            return _WAITS
        partition = connection.answer(kind).topics[0].partitions[0]
        return error_name(partition.error_code) or getattr(partition, "committed_offset", None)

    def replicate(self) -> None:
        for step in _REPLICATED:
            self._broker.ask(step)


def _fetch_request(stable: bool) -> Any:
    api = schema("offset_fetch", 7)
    topic = api.OffsetFetchRequestTopic(name="orders", partition_indexes=(0,))
    return api.OffsetFetchRequest(group_id="g", topics=(topic,), require_stable=stable)


@contextmanager
def real_coordinator(version: str) -> Iterator[RealCoordinator]:
    """Start a node of that version; it ends with the block."""
    with real_broker(version) as broker:
        coordinator = RealCoordinator(broker, broker.port)
        try:
            yield coordinator
        finally:
            coordinator.close()


def told(coordinator: Coordinator) -> list[tuple[str | int | None, ...]]:
    """What is answered to a commit, a stable fetch and one that is not, one after the other: before the commit is
    replicated, and after."""
    found = []
    for offset in (5, 7):
        commit = coordinator.commit(offset)
        before = [coordinator.answer(commit)]
        stable = coordinator.fetch(True)
        before += [coordinator.answer(stable), coordinator.answer(coordinator.fetch(False))]
        coordinator.replicate()
        late = [asked for asked, answer in zip((commit, stable), before, strict=False) if answer == _WAITS]
        after = [*(coordinator.answer(asked) for asked in late), coordinator.answer(coordinator.fetch(True))]
        found += [tuple(before), tuple(after)]
    return found


@pytest.mark.parametrize("version", newest_and_oldest() if LONG else VERSIONS[-1:])
def test_a_commit_counts_once_it_is_replicated(version: str) -> None:
    jars_or_skip(version)
    with real_coordinator(version) as coordinator:
        kafka = told(coordinator)
    if version.startswith("3."):
        refused = "UNSTABLE_OFFSET_COMMIT"
        assert kafka == [(_WAITS, refused, -1), (None, 5), (_WAITS, refused, 5), (None, 7)]
    else:
        assert kafka == told(ModelCoordinator())
        assert kafka == [(_WAITS, _WAITS, -1), (None, 5, 5), (_WAITS, _WAITS, 5), (None, 7, 7)]
