"""A real coordinator behind the steps."""

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from group_steps import Beat, Commit, FetchOffset, GroupAnswer, GroupStep, Join, Leave, Membership, Sync
from metadata_records import MetadataSchemas
from real_broker import combined_node
from real_controller import RealController, error_name
from real_kafka import START_S, artifacts
from steps import CreateTopic
from wire import Connection, schema

_SESSION, _REBALANCE = timedelta(minutes=10), timedelta(minutes=5)
_PROTOCOL = "fencepost"
_PATIENCE_S = 10.0


@contextmanager
def real_groups(version: str) -> Iterator["RealGroups"]:
    """Start a node of that version and coordinate groups there; it ends with the block."""
    with combined_node(version) as ports, Connection(ports.controller) as connection:
        controller = RealController(connection, MetadataSchemas(artifacts(version)))
        groups = RealGroups(ports.broker)
        try:
            groups.await_coordinator()
            controller.do(CreateTopic("orders", ((1,),)))
            yield groups
        finally:
            groups.close()


class RealGroups:
    """One group after the other on one broker; every request comes over a connection of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._group_number = 0
        self._steady = self._connection()
        self._waiting: list[tuple[int, GroupStep, Any, Connection]] = []
        self.start_afresh()

    def close(self) -> None:
        """Close every connection."""
        self._stop_waiting()
        self._steady.close()

    def _stop_waiting(self) -> None:
        for *_, connection in self._waiting:
            connection.close()
        self._waiting = []

    def start_afresh(self) -> None:
        """Another group."""
        self._stop_waiting()
        self._group_number += 1
        self._group = f"group-{self._group_number}"
        self._membership = Membership()
        self._count = 0

    def await_coordinator(self) -> None:
        """Until the broker coordinates groups. Raises RuntimeError after `START_S`."""
        find, fetch = schema("find_coordinator", 4), schema("offset_fetch", 7)
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s:
            with Connection(self._port) as connection:
                found = connection.ask(find.FindCoordinatorRequest(key_type=0, coordinator_keys=(self._group,)))
                if not found.coordinators[0].error_code.value:
                    answer = connection.ask(fetch.OffsetFetchRequest(group_id=self._group, topics=None))
                    if not answer.error_code.value:
                        return
            time.sleep(0.02)
        raise RuntimeError(f"Kafka coordinates no groups after {START_S} s")

    def ask(self, step: GroupStep, expected: tuple[int, ...]) -> tuple[GroupAnswer, ...]:
        """Do a step: what is answered once the expected requests are, or patience has ended."""
        connection, request = self._connection(), self._request(step)
        connection.tell(request)
        if self._count not in expected:
            self._let_it_be_handled()
        self._waiting.append((self._count, step, type(request), connection))
        self._count += 1
        answered: list[tuple[int, GroupStep, Any]] = []
        deadline_s = time.monotonic() + _PATIENCE_S
        while True:
            ready = select.select([entry[3] for entry in self._waiting], [], [], 0.01)[0]
            for number, asked, kind, waiting in [entry for entry in self._waiting if entry[3] in ready]:
                answered.append((number, asked, waiting.answer(kind)))
                waiting.close()
            self._waiting = [entry for entry in self._waiting if entry[3] not in ready]
            if {number for number, *_ in answered} >= set(expected) or time.monotonic() > deadline_s:
                break
        answered.sort(key=lambda entry: entry[0])
        return tuple(GroupAnswer(number, *self._read(asked, answer)) for number, asked, answer in answered)

    def _connection(self) -> Connection:
        """A connection that the broker serves already: what is sent over it is read before what is sent later."""
        connection, api = Connection(self._port), schema("api_versions", 3)
        connection.ask(api.ApiVersionsRequest(client_software_name="fencepost", client_software_version="1"))
        return connection

    def _let_it_be_handled(self) -> None:
        """A request that waits is known to have been handled when two others have been answered one after the other:
        the first may have been read together with it, and the broker handles what it reads one by one."""
        api = schema("offset_fetch", 7)
        for _ in range(2):
            self._steady.ask(api.OffsetFetchRequest(group_id=self._group, topics=None))

    def commit_of_unknown_group(self, version: int) -> str | None:
        """The error that the commit of a member of no group gets, with a generation."""
        api = schema("offset_commit", version)
        partition = api.OffsetCommitRequestPartition(partition_index=0, committed_offset=0, committed_metadata="")
        response = self._steady.ask(api.OffsetCommitRequest(
            group_id="nobody's", generation_id_or_member_epoch=1, member_id="nobody", group_instance_id=None,
            topics=(api.OffsetCommitRequestTopic(name="orders", partitions=(partition,)),)))
        return error_name(response.topics[0].partitions[0].error_code)

    # --- requests ---------------------------------------------------------------------------------------------------

    def _request(self, step: GroupStep) -> Any:
        if isinstance(step, FetchOffset):
            api = schema("offset_fetch", 7)
            topic = api.OffsetFetchRequestTopic(name="orders", partition_indexes=(0,))
            return api.OffsetFetchRequest(group_id=self._group, topics=(topic,), require_stable=step.stable)
        member_id = self._membership.identity(step.member, step.identity)
        if isinstance(step, Join):
            return self._join(step, member_id)
        if isinstance(step, Leave):
            api = schema("leave_group", 5)
            identity = api.MemberIdentity(member_id=member_id, group_instance_id=step.instance)
            return api.LeaveGroupRequest(group_id=self._group, members=(identity,))
        generation = self._membership.generation_of(step.generation)
        if isinstance(step, Sync):
            api = schema("sync_group", 3)
            assignments = tuple(
                api.SyncGroupRequestAssignment(member_id=one, assignment=str(place).encode())
                for one, place in self._membership.assignment().items())
            return api.SyncGroupRequest(
                group_id=self._group, generation_id=generation, member_id=member_id,
                group_instance_id=step.instance, assignments=assignments)
        if isinstance(step, Beat):
            return schema("heartbeat", 3).HeartbeatRequest(
                group_id=self._group, generation_id=generation, member_id=member_id, group_instance_id=step.instance)
        return self._commit(step, generation, member_id)

    def _join(self, step: Join, member_id: str) -> Any:
        """In a version before ids are handed out in a round trip of their own (KIP-394), where that is possible."""
        api = schema("join_group", 3 if step.instance is None else 5)
        protocol = api.JoinGroupRequestProtocol(name=_PROTOCOL, metadata=" ".join(step.topics).encode())
        static = {} if step.instance is None else {"group_instance_id": step.instance}
        return api.JoinGroupRequest(
            group_id=self._group, session_timeout=_SESSION, rebalance_timeout=_REBALANCE, member_id=member_id,
            protocol_type=_PROTOCOL, protocols=(protocol,), **static)

    def _commit(self, step: Commit, generation: int, member_id: str) -> Any:
        api = schema("offset_commit", 8)
        partition = api.OffsetCommitRequestPartition(
            partition_index=0, committed_offset=step.offset, committed_metadata="")
        return api.OffsetCommitRequest(
            group_id=self._group, generation_id_or_member_epoch=generation, member_id=member_id,
            group_instance_id=step.instance,
            topics=(api.OffsetCommitRequestTopic(name=step.topic, partitions=(partition,)),))

    # --- answers ----------------------------------------------------------------------------------------------------

    def _read(self, step: GroupStep, answer: Any) -> tuple[str | None, tuple[tuple[str, object], ...]]:
        if isinstance(step, Commit):
            return error_name(answer.topics[0].partitions[0].error_code), ()
        error = error_name(answer.error_code)
        if isinstance(step, Leave) and error is None and answer.members:
            error = error_name(answer.members[0].error_code)
        if error is not None:
            return error, ()
        if isinstance(step, Join):
            members = {one.member_id: tuple(one.metadata.decode().split()) for one in answer.members}
            return None, self._membership.joined(
                step.member, answer.generation_id, answer.member_id, answer.leader, members)
        if isinstance(step, Sync):
            return None, (("partitions", tuple(map(int, answer.assignment.split()))),)
        if isinstance(step, FetchOffset):
            partition = answer.topics[0].partitions[0]
            return error_name(partition.error_code), (("offset", partition.committed_offset),)
        return None, ()
