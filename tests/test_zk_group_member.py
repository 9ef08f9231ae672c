"""One consumer's membership in ZooKeeper, answer by answer: claims, doubts, retries, and sessions that end."""

from typing import Any

import pytest

from fencepost.model.client.operation import Operation
from fencepost.model.config import OldConsumerConfig
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.zk_client.group_member import ZkGroupMember
from fencepost.model.zk_controller.kafka_zk_client import Outcome
from fencepost.model.zk_controller.znodes import TopicZnode

TOPIC = TopicZnode("orders@1", ((0, (1, 2, 3)),))
OWNER, OFFSET = "/consumers/g/owners/orders/0", "/consumers/g/offsets/orders/0"


def stat(owner: int = 0, version: int = 0) -> zk.Stat:
    return zk.Stat(7, 7, 7, version, 0, 0, owner, 1, 0)


class ScriptedKeeper:
    """Keeps what is asked; the test answers. session_id is 11 at first."""

    def __init__(self) -> None:
        self.session_listeners: list[Any] = []
        self.child_handlers: dict[str, Any] = {}
        self.change_handlers: dict[str, Any] = {}
        self.asked: list[tuple[list[Any], Any, tuple[Any, ...]]] = []
        self.session_id, self.last_zxid = 11, 100
        self.ended = ""

    def start(self) -> None:
        """It has begun."""

    def close(self) -> None:
        self.ended = "closed"

    def abandon(self) -> None:
        self.ended = "abandoned"

    def request_all(self, operations: list[Any], callback: Any, *context: Any) -> None:
        self.asked.append((list(operations), callback, context))

    def answer(self, *results: zk.ZkResult, resent: bool = False) -> list[Any]:
        """Answer the oldest request: with one result for all, or one for each of the last operations."""
        operations, callback, context = self.asked.pop(0)
        given = list(results) * len(operations) if len(results) == 1 else [zk.ZkResult()] * (
            len(operations) - len(results)) + list(results)
        callback([Outcome(op, result, resent) for op, result in zip(operations, given, strict=True)], *context)
        return operations

    def expire(self) -> None:
        """The session is over, and a new one begins."""
        self.session_id += 1
        for listener in self.session_listeners:
            listener.before_initializing_session(lambda: None)
            listener.after_initializing_session()


class Host:
    """What a member needs of its client; `later` are the callbacks that wait for their time."""

    index, now_us, principal = 4, 5_000, "User:client4"

    def __init__(self, **config: Any) -> None:
        self.consumer_config = OldConsumerConfig(offsets_storage="zookeeper", rebalance_max_retries=2, **config)
        self.keeper = ScriptedKeeper()
        self.stream = self
        self.later: list[tuple[Any, tuple[Any, ...]]] = []

    def bits(self, count: int) -> int:
        return 0xABC

    def make_keeper(self) -> ScriptedKeeper:
        return self.keeper

    def schedule(self, delay_us: int, callback: Any, *args: Any) -> None:
        self.later.append((callback, args))

    def wait(self) -> None:
        """The time of everything scheduled has come."""
        waiting, self.later = self.later, []
        for callback, args in waiting:
            callback(*args)


class Scene:
    """A member of group g that subscribes to orders, which has one partition."""

    def __init__(self, **config: Any) -> None:
        self.host = Host(**config)
        self.keeper = self.host.keeper
        self.member = ZkGroupMember(self.host, "g", ("orders",), None)  # type: ignore[arg-type]

    def register(self) -> None:
        self.keeper.answer(zk.ZkResult())

    def read(self, offset: str | None = "5", consumers: tuple[str, ...] = ()) -> None:
        """Everything up to the claim, which is then the oldest request. consumers: the others in the group."""
        self.keeper.answer(zk.ZkResult(value=("1", "2")))
        if isinstance(self.keeper.asked[0][0][0], zk.DeleteOp):
            self.keeper.answer(zk.ZkResult())
        names = tuple(sorted((*consumers, self.member.member_id)))
        self.keeper.answer(zk.ZkResult(value=names), zk.ZkResult(value=TOPIC))
        self.keeper.answer(zk.ZkResult(value=("orders",)))
        if self.keeper.asked and isinstance(self.keeper.asked[0][0][0], zk.GetDataOp):
            self.keeper.answer(
                zk.ZkResult(zk.NONODE) if offset is None else zk.ZkResult(value=offset, stat=stat(version=3)))

    def join(self) -> None:
        self.register()
        self.read()
        self.keeper.answer(zk.ZkResult(stat=stat(self.keeper.session_id)))


@pytest.fixture
def scene() -> Scene:
    return Scene()


# --- owning -----------------------------------------------------------------------------------------------------------


def test_a_member_registers_reads_claims_and_begins_at_the_committed_offset(scene: Scene) -> None:
    assert scene.member.member_id == "g_client4-5000-00000abc"
    assert scene.keeper.asked[0][0][-1] == zk.CreateOp(f"/consumers/g/ids/{scene.member.member_id}", ("orders",), True)
    scene.register()
    scene.read()
    assert scene.keeper.asked[0][0][-1] == zk.CreateOp(OWNER, scene.member.member_id, True)
    assert not scene.member.joined
    scene.keeper.answer(zk.ZkResult(stat=stat(11)))
    assert scene.member.joined
    assert (scene.member.assignment, scene.member.positions) == ((("orders", 0),), {("orders", 0): 5})
    assert scene.member.committed == {("orders", 0): 5}


def test_without_an_offset_it_begins_at_the_beginning_and_knows_of_no_commit(scene: Scene) -> None:
    scene.register()
    scene.read(None)
    scene.keeper.answer(zk.ZkResult(stat=stat(11)))
    assert (scene.member.positions, scene.member.committed) == ({("orders", 0): 0}, {})


def test_one_whose_share_is_empty_claims_nothing(scene: Scene) -> None:
    scene.register()
    scene.read(consumers=("a",))
    assert scene.member.joined
    assert (scene.member.assignment, scene.keeper.asked) == ((), [])


def test_it_keeps_what_it_owns_until_it_releases_it(scene: Scene) -> None:
    scene.join()
    scene.keeper.child_handlers["/consumers/g/ids"](zk.WatchEvent(zk.CHILD, "/consumers/g/ids"))
    assert not scene.member.joined
    assert scene.member.positions == {("orders", 0): 5}
    scene.keeper.answer(zk.ZkResult(value=("1",)))
    assert scene.member.positions == {}
    assert scene.keeper.asked[0][0] == [zk.DeleteOp(OWNER)]


@pytest.mark.parametrize(("resent", "owner", "joined"), [(False, 11, False), (True, 11, True), (True, 10, False)])
def test_a_claim_in_doubt_is_looked_at(scene: Scene, resent: bool, owner: int, joined: bool) -> None:
    scene.register()
    scene.read()
    scene.keeper.answer(zk.ZkResult(zk.NODEEXISTS), resent=resent)
    if resent:
        scene.keeper.answer(zk.ZkResult(value="whose", stat=stat(owner)))
    assert scene.member.joined is joined
    assert bool(scene.host.later) is not joined


def test_what_was_claimed_is_released_when_the_rest_cannot_be() -> None:
    scene = Scene()
    two = TopicZnode("orders@1", ((0, (1,)), (1, (1,))))
    scene.register()
    scene.keeper.answer(zk.ZkResult(value=("1",)))
    scene.keeper.answer(zk.ZkResult(value=(scene.member.member_id,)), zk.ZkResult(value=two))
    scene.keeper.answer(zk.ZkResult(value=("orders",)))
    for _ in range(2):
        scene.keeper.answer(zk.ZkResult(zk.NONODE))
    scene.keeper.answer(zk.ZkResult(stat=stat(11)), zk.ZkResult(zk.NODEEXISTS))
    assert scene.keeper.answer(zk.ZkResult()) == [zk.DeleteOp(OWNER)]
    assert not scene.member.joined


# --- trying again -----------------------------------------------------------------------------------------------------


def fail(scene: Scene) -> None:
    scene.read()
    scene.keeper.answer(zk.ZkResult(zk.NODEEXISTS))


def test_tries_are_limited_until_something_changes(scene: Scene) -> None:
    scene.register()
    fail(scene)
    scene.host.wait()
    fail(scene)
    assert (scene.host.later, scene.keeper.asked) == ([], [])
    scene.keeper.child_handlers["/consumers/g/ids"](zk.WatchEvent(zk.CHILD, "/consumers/g/ids"))
    scene.read()
    scene.keeper.answer(zk.ZkResult(stat=stat(11)))
    assert scene.member.joined


def test_the_application_begins_again_and_is_told(scene: Scene) -> None:
    scene.register()
    fail(scene)
    scene.host.wait()
    fail(scene)
    told: list[Any] = []
    scene.member.when_joined(Operation({"f": "poll"}), lambda operation, member: told.append(member))
    scene.read()
    assert not told
    scene.keeper.answer(zk.ZkResult(stat=stat(11)))
    assert told == [scene.member]


def test_a_change_during_an_attempt_begins_the_next_one_at_its_end(scene: Scene) -> None:
    scene.register()
    scene.read()
    scene.keeper.child_handlers["/consumers/g/ids"](zk.WatchEvent(zk.CHILD, "/consumers/g/ids"))
    scene.keeper.answer(zk.ZkResult(stat=stat(11)))
    assert not scene.member.joined
    assert scene.keeper.asked[0][0] == [zk.GetChildrenOp("/brokers/ids")]


def test_without_brokers_it_waits_for_one(scene: Scene) -> None:
    scene.register()
    scene.keeper.answer(zk.ZkResult(value=()))
    assert (scene.host.later, scene.keeper.asked) == ([], [])
    scene.keeper.child_handlers["/brokers/ids"](zk.WatchEvent(zk.CHILD, "/brokers/ids"))
    scene.read()
    scene.keeper.answer(zk.ZkResult(stat=stat(11)))
    assert scene.member.joined
    scene.keeper.child_handlers["/brokers/ids"](zk.WatchEvent(zk.CHILD, "/brokers/ids"))
    assert scene.member.joined


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_a_new_session_begins_with_nothing(scene: Scene) -> None:
    scene.join()
    scene.keeper.expire()
    assert (scene.member.joined, scene.member.positions) == (False, {})
    scene.join()
    assert scene.member.positions == {("orders", 0): 5}


def test_answers_to_an_attempt_of_the_last_session_count_for_nothing(scene: Scene) -> None:
    scene.register()
    scene.read()
    (claim,) = scene.keeper.asked
    scene.keeper.expire()
    scene.keeper.answer(zk.ZkResult(stat=stat(11)))
    assert not scene.member.joined
    assert claim not in scene.keeper.asked


@pytest.mark.parametrize(("owner", "registered"), [(12, True), (11, False)])
def test_the_last_sessions_registration_is_waited_for(scene: Scene, owner: int, registered: bool) -> None:
    scene.join()
    scene.keeper.expire()
    scene.keeper.answer(zk.ZkResult(zk.NODEEXISTS))
    scene.keeper.answer(zk.ZkResult(stat=stat(owner)))
    assert bool(scene.keeper.asked) is registered
    scene.host.wait()
    if not registered:
        scene.register()
    assert scene.keeper.asked[0][0] == [zk.GetChildrenOp("/brokers/ids")]


@pytest.mark.parametrize(("leave", "ended"), [(True, "closed"), (False, "abandoned")])
def test_one_that_is_closed_does_nothing_more(scene: Scene, leave: bool, ended: str) -> None:
    scene.register()
    scene.read()
    scene.member.close(leave)
    assert scene.keeper.ended == ended
    scene.keeper.answer(zk.ZkResult(stat=stat(11)))
    scene.keeper.expire()
    assert (scene.member.joined, scene.keeper.asked) == (False, [])


# --- offsets ----------------------------------------------------------------------------------------------------------


def test_a_write_is_repeated_in_the_next_session_and_creates_what_is_missing(scene: Scene) -> None:
    scene.join()
    told: list[Any] = []
    scene.member.write_offsets({("orders", 0): 9}, lambda *answer: told.append(answer))
    write = zk.SetDataOp(OFFSET, "9", -1)
    assert scene.keeper.answer(zk.ZkResult(zk.SESSIONEXPIRED)) == [write]
    assert scene.keeper.answer(zk.ZkResult(zk.NONODE)) == [write]
    assert scene.keeper.answer(zk.ZkResult(zk.NODEEXISTS)) == [
        zk.CreateOp("/consumers/g", None), zk.CreateOp("/consumers/g/offsets", None),
        zk.CreateOp("/consumers/g/offsets/orders", None), zk.CreateOp(OFFSET, "9")]
    assert not told
    assert scene.keeper.answer(zk.ZkResult(stat=stat())) == [write]
    assert told == [({("orders", 0): 7}, None)]


@pytest.mark.parametrize(("offset", "mark"), [
    ("5", zk.SetDataOp(OFFSET, "5", 3)), (None, zk.CreateOp(OFFSET, "-1"))])
def test_a_fenced_claim_sets_the_offset_anew(offset: str | None, mark: zk.MultiPart) -> None:
    scene = Scene(offset_fencing=True)
    scene.register()
    scene.read(offset)
    assert scene.keeper.asked[0][0][-1] == zk.MultiOp((zk.CreateOp(OWNER, scene.member.member_id, True), mark))


@pytest.mark.parametrize(("error", "resent", "told"), [
    (zk.BADVERSION, False, zk.BADVERSION), (zk.BADVERSION, True, zk.CONNECTIONLOSS),
    (zk.SESSIONEXPIRED, False, zk.SESSIONEXPIRED)])
def test_a_fenced_commit_names_the_version_and_its_refusal_is_certain_only_at_once(
    error: str, resent: bool, told: str,
) -> None:
    scene = Scene(offset_fencing=True)
    scene.register()
    scene.read()
    scene.keeper.answer(zk.ZkResult(results=(zk.ZkResult(stat=stat(11)), zk.ZkResult(stat=stat(version=4)))))
    answers: list[Any] = []
    scene.member.write_offsets({("orders", 0): 9}, lambda *answer: answers.append(answer))
    first = scene.keeper.answer(zk.ZkResult(results=(zk.ZkResult(stat=stat(version=5)),)))
    assert first == [zk.MultiOp((zk.SetDataOp(OFFSET, "9", 4),))]
    scene.member.write_offsets({("orders", 0): 12}, lambda *answer: answers.append(answer))
    second = scene.keeper.answer(zk.ZkResult(error), resent=resent)
    assert second == [zk.MultiOp((zk.SetDataOp(OFFSET, "12", 5),))]
    assert answers == [({("orders", 0): 7}, None), ({}, told)]
