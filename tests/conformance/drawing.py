"""Sequences of steps, drawn by Hypothesis so that most of them mean something: three brokers and a topic are there."""

from hypothesis import strategies as st
from steps import (
    NONE,
    AddAcl,
    AddPartition,
    AllocateProducerIds,
    AlterPartition,
    CreateTopic,
    DeleteTopic,
    Elect,
    Heartbeat,
    Reassign,
    Register,
    RemoveAcl,
    SetConfig,
    Step,
)

#: Registers and unfences brokers 1 to 3 and creates "orders" on them.
PREPARATION: tuple[Step, ...] = (
    *(step for broker in (1, 2, 3) for step in (Register(broker, "a"), Heartbeat(broker))),
    CreateTopic("orders", ((1, 2, 3),)),
)

_brokers = st.sampled_from((1, 2, 3, 4))
_some_brokers = st.lists(_brokers, max_size=4).map(tuple)
_replicas = st.permutations((1, 2, 3, 4)).flatmap(
    lambda order: st.integers(1, 3).map(lambda count: tuple(order[:count]))) | _some_brokers
_topics = st.sampled_from(("orders", "orders", "orders", "payments", "no such topic", "nowhere"))
_relative = st.sampled_from((0, 0, 0, 0, 0, -1, 1))
_member_epochs = st.sampled_from((0, 0, 0, 0, NONE, -1))
_isr = st.lists(st.tuples(_brokers, _member_epochs), max_size=4, unique_by=lambda member: member[0]) | st.lists(
    st.tuples(_brokers, _member_epochs), max_size=3)
_configs = st.sampled_from((
    ("min.insync.replicas", "1"), ("min.insync.replicas", "2"), ("min.insync.replicas", "many"),
    ("unclean.leader.election.enable", "true"), ("unclean.leader.election.enable", "false"), ("no.such.name", "1")))

_acls = (
    st.sampled_from(("User:a", "User:*")), st.sampled_from(("READ", "READ", "ALL")),
    st.sampled_from(("ALLOW", "ALLOW", "DENY")), st.sampled_from(("topic", "topic", "group", "cluster")),
    st.sampled_from(("orders", "orders", "*", "kafka-cluster", "")))

STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(Register, _brokers, st.sampled_from("aabc")),
    st.builds(Heartbeat, _brokers, _relative, st.sampled_from((True, True, True, False)),
              st.sampled_from((False, False, False, True)), st.sampled_from((False, False, True))),
    st.builds(CreateTopic, _topics, st.lists(_replicas, min_size=1, max_size=2).map(tuple),
              st.lists(_configs, max_size=1).map(tuple)),
    st.builds(DeleteTopic, _topics),
    st.builds(AddPartition, _topics, st.integers(0, 3), _replicas),
    st.builds(AlterPartition, _brokers, _topics, _isr.map(tuple), _relative, _relative, _relative,
              st.sampled_from((False, False, False, True))),
    st.builds(lambda broker, isr: AlterPartition(broker, "orders", isr), _brokers, _isr.map(tuple)),
    st.builds(Reassign, _topics, st.none() | _replicas),
    st.builds(Elect, _topics, st.booleans()),
    st.builds(lambda topic, config: SetConfig(topic, *config), _topics, _configs),
    st.builds(lambda topic, config: SetConfig(topic, config[0], None), _topics, _configs),
    st.builds(AllocateProducerIds, _brokers, _relative),
    st.builds(AddAcl, *_acls),
    st.builds(RemoveAcl, *_acls),
)

SEQUENCES = st.lists(STEPS, min_size=1, max_size=20).map(tuple)
