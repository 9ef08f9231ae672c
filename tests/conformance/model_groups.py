"""The model's coordinator behind the steps."""

from typing import Any

from group_steps import Beat, FetchOffset, GroupAnswer, GroupStep, Join, Leave, Membership, Sync
from model_broker import NODE, REST_US, SmallCluster

from fencepost.model.config import KafkaConfig
from fencepost.model.protocol import group
from fencepost.model.protocol.controller import AdminRequest, EnvelopeRequest

SESSION_US, REBALANCE_US = 60_000_000, 300_000_000


class ModelGroups:
    """One group on a broker of the model's; every request comes over a connection of its own."""

    def __init__(self, config: KafkaConfig, patches: tuple[type, ...] = ()) -> None:
        self._world = SmallCluster(config, patches)
        arguments = {"name": "orders", "assignments": [[NODE]], "configs": {}}
        assert self._world.ask(EnvelopeRequest(NODE, AdminRequest("create-topic", arguments))).error is None
        while self._world.ask_node(NODE, group.OffsetFetchRequest("g", ())).error is not None:
            self._world.ask_node(NODE, group.FindCoordinatorRequest("g"))
        self._membership = Membership()
        self._count = 0
        self._waiting: list[tuple[int, GroupStep, list[Any]]] = []

    def ask(self, step: GroupStep) -> tuple[GroupAnswer, ...]:
        """Do a step: whatever is answered now, by request."""
        self._waiting.append((self._count, step, self._world.begin(NODE, self._request(step))))
        self._count += 1
        self._world.run(REST_US)
        answered = [entry for entry in self._waiting if entry[2]]
        self._waiting = [entry for entry in self._waiting if not entry[2]]
        return tuple(GroupAnswer(number, answers[0].error, self._facts(step, answers[0]))
                     for number, step, answers in answered)

    def _request(self, step: GroupStep) -> Any:
        if isinstance(step, FetchOffset):
            return group.OffsetFetchRequest("g", (("orders", 0),), step.stable)
        known = self._membership
        member_id = known.identity(step.member, step.identity)
        if isinstance(step, Join):
            return group.JoinGroupRequest("g", member_id, step.instance, SESSION_US, REBALANCE_US, step.topics)
        if isinstance(step, Leave):
            return group.LeaveGroupRequest("g", member_id, step.instance)
        generation = known.generation_of(step.generation)
        if isinstance(step, Sync):
            assignments = tuple((one, (("orders", place),)) for one, place in known.assignment().items())
            return group.SyncGroupRequest("g", member_id, step.instance, generation, assignments)
        if isinstance(step, Beat):
            return group.GroupHeartbeatRequest("g", member_id, step.instance, generation)
        return group.OffsetCommitRequest(
            "g", generation, member_id, step.instance, (((step.topic, 0), step.offset, -1),))

    def _facts(self, step: GroupStep, answer: Any) -> tuple[tuple[str, object], ...]:
        if answer.error is not None:
            return ()
        if isinstance(step, Join):
            return self._membership.joined(
                step.member, answer.generation, answer.member_id, answer.leader_id, dict(answer.members))
        if isinstance(step, Sync):
            return (("partitions", tuple(place for _, place in answer.assignment)),)
        return (("offset", answer.offsets[0][1]),) if isinstance(step, FetchOffset) else ()
