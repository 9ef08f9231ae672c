"""The group coordinator against requests: membership, the fencing of commits, loading and fail-over."""

from typing import Any

import pytest
from live_cluster import MS, SECOND, LiveCluster

from fencepost.model import errors
from fencepost.model.broker.group_records import group_partition, java_hash
from fencepost.model.protocol.group import (
    FindCoordinatorRequest,
    GroupHeartbeatRequest,
    JoinGroupRequest,
    LeaveGroupRequest,
    OffsetCommitRequest,
    OffsetFetchRequest,
    SyncGroupRequest,
)

GROUP = "billing"
ORDERS = ("orders", 0)


class Groups:
    """A live cluster with one group's requests at hand."""

    def __init__(self, bugs: tuple[str, ...] = ()) -> None:
        self.live = LiveCluster(bugs=bugs)
        self.live.create_topic()
        self.ask_any(FindCoordinatorRequest(GROUP))
        self.live.run(SECOND)
        self.find()

    def find(self) -> None:
        for broker in (1, 2, 3):
            if self.live.cluster.is_running(broker):
                answer = self.live.ask(broker, FindCoordinatorRequest(GROUP))
                assert answer.error is None
                self.coordinator = answer.coordinator_id
                return

    def ask_any(self, request: Any) -> Any:
        return self.live.ask(1, request)

    def ask(self, request: Any) -> Any:
        return self.live.ask(self.coordinator, request)

    def join(self, member_id: str = "", instance_id: str | None = None) -> Any:
        return self.ask(JoinGroupRequest(GROUP, member_id, instance_id, SECOND, SECOND, ("orders",)))

    def joined(self, instance_id: str | None = None) -> tuple[str, int]:
        """A member that leads a stable group of one: (member id, generation)."""
        answer = self.join(instance_id=instance_id)
        assert answer.error is None
        sync = SyncGroupRequest(
            GROUP, answer.member_id, instance_id, answer.generation, ((answer.member_id, (ORDERS,)),))
        assert self.ask(sync).assignment == (ORDERS,)
        return answer.member_id, answer.generation

    def commit(self, offset: int, member: str, generation: int, instance: str | None = None) -> Any:
        return self.ask(OffsetCommitRequest(GROUP, generation, member, instance, ((ORDERS, offset, -1),)))

    def committed(self) -> int:
        answer = self.ask(OffsetFetchRequest(GROUP, (ORDERS,)))
        assert answer.error is None
        return dict(answer.offsets)[ORDERS]


@pytest.fixture
def groups() -> Groups:
    return Groups()


def test_groups_are_spread_by_java_s_hash() -> None:
    assert java_hash("abc") == 96354
    assert java_hash("a group with a long name") == java_hash("a group with a long name")
    assert java_hash("polygenelubricants") == -2147483648
    assert group_partition("polygenelubricants", 50) == 0


def test_a_member_joins_commits_and_reads_back(groups: Groups) -> None:
    assert groups.committed() == -1
    member, generation = groups.joined()
    answer = groups.commit(5, member, generation)
    assert (answer.error, answer.coordinator_epoch) == (None, 0)
    assert groups.committed() == 5
    accepted = groups.live.events("offset-commit-accepted")[-1]
    assert accepted.value["record_offsets"] == {"orders-0": answer.record_offset}


def test_commits_are_refused_from_another_generation_member_or_instance(groups: Groups) -> None:
    member, generation = groups.joined("static-1")
    assert groups.commit(5, member, generation - 1, "static-1").error == errors.ILLEGAL_GENERATION
    assert groups.commit(5, "nobody", generation).error == errors.UNKNOWN_MEMBER_ID
    assert groups.commit(5, "nobody", generation, "static-1").error == errors.FENCED_INSTANCE_ID
    assert groups.committed() == -1
    assert [event.error for event in groups.live.events("offset-commit-refused")] == [
        errors.ILLEGAL_GENERATION, errors.UNKNOWN_MEMBER_ID, errors.FENCED_INSTANCE_ID]


def test_without_the_fencing_a_zombie_overwrites_the_position() -> None:
    groups = Groups(bugs=("OFFSET-COMMIT-FENCING",))
    member, generation = groups.joined()
    groups.commit(9, member, generation)
    assert groups.commit(5, "zombie", generation - 1).error is None
    assert groups.committed() == 5


def test_a_silent_member_is_removed_and_may_not_commit_any_more(groups: Groups) -> None:
    member, generation = groups.joined()
    groups.live.run(3 * SECOND)
    assert groups.commit(5, member, generation).error == errors.UNKNOWN_MEMBER_ID
    assert groups.live.events("group-member-removed")[-1].value["why"] == "session-timeout"


def test_heartbeats_keep_a_member(groups: Groups) -> None:
    member, generation = groups.joined()
    for _ in range(6):
        groups.live.run(500 * MS)
        assert groups.ask(GroupHeartbeatRequest(GROUP, member, None, generation)).error is None
    assert groups.commit(5, member, generation).error is None
    assert groups.ask(LeaveGroupRequest(GROUP, member)).error is None
    assert groups.ask(GroupHeartbeatRequest(GROUP, member, None, generation)).error == errors.UNKNOWN_MEMBER_ID


def test_a_static_member_that_comes_back_replaces_itself(groups: Groups) -> None:
    old, _ = groups.joined("static-1")
    new, generation = groups.joined("static-1")
    assert new != old
    assert groups.commit(5, old, generation, "static-1").error == errors.FENCED_INSTANCE_ID
    assert groups.commit(6, new, generation, "static-1").error is None


def test_a_rebalance_waits_for_the_members_and_tells_them(groups: Groups) -> None:
    first, generation = groups.joined()
    live = groups.live
    live.hand.request(
        groups.coordinator, "second", JoinGroupRequest(GROUP, "", None, SECOND, SECOND, ("orders",)), 9 * SECOND,
        live.hand.on_answer)
    live.run(50 * MS)
    beat = groups.ask(GroupHeartbeatRequest(GROUP, first, None, generation))
    assert beat.error == errors.REBALANCE_IN_PROGRESS
    assert groups.commit(5, first, generation).error is None, "while members are awaited the old generation may commit"
    again = groups.join(first)
    assert (again.error, again.generation) == (None, generation + 1)
    assert groups.commit(6, first, generation + 1).error == errors.REBALANCE_IN_PROGRESS


def test_committed_offsets_survive_the_coordinator(groups: Groups) -> None:
    member, generation = groups.joined()
    groups.commit(5, member, generation)
    old = groups.coordinator
    groups.live.cluster.power_off(old)
    groups.live.run(3 * SECOND)
    groups.find()
    assert groups.coordinator != old
    assert groups.committed() == 5
    loaded = groups.live.events("coordinator-loaded")[-1]
    assert loaded.value["loaded_to"] == loaded.value["log_end_offset"]


def test_others_are_not_the_coordinator(groups: Groups) -> None:
    other = next(broker for broker in (1, 2, 3) if broker != groups.coordinator)
    answer = groups.live.ask(other, OffsetFetchRequest(GROUP, (ORDERS,)))
    assert answer.error == errors.NOT_COORDINATOR


def test_an_overtaken_resignation_does_not_unload_a_newer_coordinator() -> None:
    for bugs, served in (((), True), (("KAFKA-10614",), False)):
        groups = Groups(bugs=bugs)
        server = groups.live.cluster.nodes[groups.coordinator].broker
        assert server is not None
        partition = group_partition(GROUP, 3)
        server.coordinator._elected(partition, 7)
        server.coordinator._resigned(partition, 6)
        assert (partition in server.coordinator._homes) is served


def test_a_commit_outside_any_group_needs_an_empty_group(groups: Groups) -> None:
    assert groups.commit(3, "", -1).error is None
    assert groups.committed() == 3
    groups.joined()
    assert groups.commit(4, "", -1).error == errors.UNKNOWN_MEMBER_ID
