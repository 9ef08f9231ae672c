"""Sequences of steps for a broker, drawn by Hypothesis: a topic of three replicas is there, and broker 1 leads it."""

from typing import Any

from data_steps import DataStep, Describe, EpochEnd, Fetch, ListOffsets, NewProducer, Produce
from hypothesis import strategies as st
from steps import NONE, AlterPartition, CreateTopic, DeleteTopic, Elect, Heartbeat, Reassign, Register, SetConfig, Step

#: The size of idempotent producers' batches: the model remembers as many of these as Kafka, five.
BATCH = 4
#: Registers and unfences brokers 2 and 3; "orders" is led by broker 1, which has no replica of "payments".
PREPARATION: tuple[Step | DataStep, ...] = (
    *(step for broker in (2, 3) for step in (Register(broker, "a"), Heartbeat(broker))),
    CreateTopic("orders", ((1, 2, 3),)), CreateTopic("payments", ((2, 3),)),
)
#: Broker 2 takes the leadership over and loses it again: the leader epoch is two higher, and broker 2 out of the ISR.
THERE_AND_BACK: tuple[Step | DataStep, ...] = (
    Reassign("orders", (2, 1, 3)), Fetch(0, 2), Elect("orders", False), Heartbeat(2, want_fence=True), Heartbeat(2))
#: Brokers 2 and 3 are out of the ISR.
ALONE: tuple[Step | DataStep, ...] = tuple(
    step for broker in (2, 3) for step in (Heartbeat(broker, want_fence=True), Heartbeat(broker)))


def _some(kind: Any, *fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Steps of a kind with these first fields drawn; the others have their defaults."""
    return st.tuples(*fields).map(lambda values: kind(*values))


_topics = st.sampled_from(("orders",) * 8 + ("payments", "nowhere"))
_relative = st.sampled_from((0, 0, 0, 0, NONE, -1, 1))
_offsets = st.sampled_from((0, 0, 0, -1, -2, -5, 1, -100))
_followers = st.sampled_from((2, 2, 3, 4))
_epochs = st.sampled_from((0, 0, NONE, -1, -2, -3, 1))
_configs = st.sampled_from(("1", "2", "3"))

_produce = _some(Produce, st.integers(1, 3), st.sampled_from((1, 1, -1, -1, 0)), st.none(),
                     st.just(0), st.just(0), _topics)
_idempotent = _some(
    Produce, st.just(BATCH), st.sampled_from((1, 1, -1, 0)), st.sampled_from("pq"),
    st.sampled_from((0, 0, 0, 0, 1, 2)),
    st.sampled_from((0, 0, 0, 0, None, -1, -BATCH, -2 * BATCH, -5 * BATCH, -6 * BATCH, 1)))
_single = st.one_of(
    _produce, _idempotent, _idempotent,
    _some(Fetch, _offsets, st.just(-1), _relative, _epochs, st.just(0),
              st.sampled_from(("right", "right", "none", "unknown")), _topics),
    _some(Fetch, _offsets, _followers, _relative, _epochs, st.sampled_from((0, 0, 0, NONE, -1, 1))),
    _some(Fetch, _offsets, _followers),
    _some(ListOffsets, st.sampled_from((-1, -2)), _relative, _topics),
    _some(EpochEnd, st.sampled_from((0, 0, -1, -2, -3, 1)), _relative, _topics),
    _some(Describe, _topics),
    _some(NewProducer, st.sampled_from("pq")),
    _some(Heartbeat, _followers, st.just(0), st.just(True), st.booleans(),
              st.sampled_from((False, False, False, True))),
    _some(Register, _followers, st.sampled_from("ab")),
    _some(Elect, st.just("orders"), st.booleans()),
    _some(Reassign, st.just("orders"), st.sampled_from(((2, 1, 3), (1, 2), (1, 2, 3), (1, 4), (4, 1, 2), (2, 3)))),
    _some(AlterPartition, st.just(2), st.just("orders"), st.sampled_from((((2, 0),), ((1, 0), (2, 0))))),
    _some(SetConfig, st.just("orders"), st.just("min.insync.replicas"), _configs),
    _some(DeleteTopic, st.just("payments")),
)

SEQUENCES = st.lists(
    _single.map(lambda step: (step,)) | st.sampled_from((THERE_AND_BACK, ALONE)), min_size=1, max_size=20,
).map(lambda chunks: tuple(step for chunk in chunks for step in chunk)[:24])
