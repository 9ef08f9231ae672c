"""What clients were told of a partition's log: one log must explain it all; each rule broken and kept."""

import pytest
from replica_story import INFO, INVOKE, KEY, OK, TOPIC_ID, Story

RULE = "PartitionLogLinearizable"


class Logs(Story):
    """A story in which broker 1 leads orders-0 in epoch 0 with everybody, and clients produce and poll."""

    def __init__(self, **header: object) -> None:
        super().__init__(**header)
        self.leads(1, 0, (1, 2, 3))

    def begins(self, record: str, process: int = 1, acks: int = -1, idempotent: bool = False) -> None:
        self.add(INVOKE, "produce", process=process, key=KEY,
                 value={"records": [record], "acks": acks, "idempotent": idempotent})

    def ends_produce(
        self, record: str, offset: int | None, process: int = 1, answer: str = OK, acks: int = -1
    ) -> None:
        value = {"records": [record], "acks": acks, "idempotent": False, "base_offset": offset}
        self.completes("produce", KEY, answer, value, process, leader_epoch=0)

    def commits(self, *records: str) -> None:
        """Everybody writes them, and the high watermark passes them."""
        self.everyone_writes(0, *records)
        self.reaches(1, 0, self.ends[1], (1, 2, 3))

    def produces(self, record: str, offset: int | None = None, process: int = 1, acks: int = -1) -> None:
        """A whole produce; the answer gives the offset, by default the record's own."""
        self.begins(record, process, acks)
        self.commits(record)
        self.ends_produce(record, self.ends[1] - 1 if offset is None else offset, process, acks=acks)

    def polls(self, *records: tuple[int, str], process: int = 2) -> None:
        self.asks("poll", None, {"group": "g"}, OK, {
            "group": "g", "records": {KEY: [list(record) for record in records]}}, process)

    def found(self) -> dict[str, int]:
        """The violations of this checker's rules alone."""
        return next(result.counts for result in self.results() if result.checker == "client-logs")

    def notes(self) -> list[str]:
        return next(result.notes for result in self.results() if result.checker == "client-logs")


def test_what_is_acknowledged_and_polled_in_order_is_one_log() -> None:
    story = Logs()
    story.produces("a")
    story.produces("b")
    story.polls((0, "a"), (1, "b"))
    assert (story.found(), story.notes()) == ({}, [])


def test_a_later_produce_does_not_lie_before_an_earlier_one() -> None:
    """Both are acknowledged at offsets where they lie, but "a" was acknowledged before "b" was begun."""
    story = Logs()
    story.begins("a")
    story.commits("b", "a")
    story.ends_produce("a", 1)
    story.begins("b", 2)
    story.ends_produce("b", 0, 2)
    assert story.found() == {RULE: 1}
    assert "no log explains what clients saw of orders-0" in story.words(RULE)
    assert all(word in story.words(RULE) for word in ("'a'", "'b'"))


def test_produces_at_the_same_time_may_lie_in_either_order() -> None:
    story = Logs()
    story.begins("a")
    story.begins("b", 2)
    story.commits("b", "a")
    story.ends_produce("a", 1)
    story.ends_produce("b", 0, 2)
    assert story.found() == {}


def test_a_record_that_was_shown_before_lies_before_what_is_produced_after() -> None:
    """Nobody knows the outcome of "a", but it was shown at offset 1 before "b", at offset 0, was begun."""
    story = Logs()
    story.begins("a")
    story.commits("b", "a")
    story.ends_produce("a", None, answer=INFO)
    story.polls((1, "a"))
    story.begins("b", 3)
    story.ends_produce("b", 0, 3)
    assert story.found() == {RULE: 1}


def test_an_acknowledged_record_lies_where_its_answer_says() -> None:
    story = Logs()
    story.produces("a")
    story.begins("b")
    story.answers(1, 0, 0, "b")
    story.ends_produce("b", 0)
    assert story.found() == {RULE: 1}


@pytest.mark.parametrize("answer", [OK, INFO])
def test_what_promised_nothing_is_resolved_by_the_clusters_log(answer: str) -> None:
    story = Logs()
    story.produces("a")
    story.begins("b", acks=1)
    story.commits("b")
    story.ends_produce("b", 1, answer=answer, acks=1)
    assert story.found() == {}
    assert story.notes() == ["1 records of produces that promised nothing (info, acks=0, acks=1) were resolved by the "
                             "cluster's own log: they were appended"]


def test_an_acknowledgement_with_fewer_acks_is_owed_nothing() -> None:
    story = Logs()
    story.produces("a")
    story.begins("b", acks=1)
    story.writes(1, 0, "b", role="leader")
    story.ends_produce("b", 1, acks=1)
    story.cuts(1, 1, 0)
    story.produces("c")
    assert story.found() == {}


def test_an_empty_poll_proves_nothing() -> None:
    story = Logs()
    story.produces("a")
    story.asks("poll", None, {"group": "g"}, OK, {"group": "g", "records": {KEY: []}}, 2)
    story.asks("poll", None, {"group": "g"}, OK, {"group": "g", "records": {}}, 2)
    assert story.found() == {}


def test_one_poll_leaves_nothing_out() -> None:
    story = Logs()
    for record in "abc":
        story.produces(record)
    story.polls((0, "a"), (1, "b"), (2, "c"))
    story.polls((0, "a"), (2, "c"), process=3)
    assert story.found() == {"int-poll-skip": 1}


def test_one_poll_does_not_go_back() -> None:
    story = Logs()
    story.produces("a")
    story.produces("b")
    story.polls((1, "b"), (0, "a"))
    assert story.found() == {"int-nonmonotonic-poll": 1}


def test_from_poll_to_poll_the_group_may_move() -> None:
    story = Logs()
    for record in "abc":
        story.produces(record)
    story.polls((0, "a"))
    story.polls((2, "c"))
    story.polls((0, "a"), (1, "b"))
    assert story.found() == {}


@pytest.mark.parametrize(("idempotent", "found"), [(True, {"duplicate": 1}), (False, {})])
def test_what_an_idempotent_producer_sent_lies_at_one_offset(idempotent: bool, found: dict[str, int]) -> None:
    story = Logs()
    story.begins("a", idempotent=idempotent)
    story.commits("a", "a")
    story.ends_produce("a", 1)
    story.polls((0, "a"), (1, "a"))
    assert story.found() == found


def test_a_final_read_is_evidence_too() -> None:
    story = Logs()
    story.produces("a")
    story.produces("b")
    story.produces("c")
    story.polls((1, "b"))
    story.asks("final-read", KEY, {}, OK, {
        "records": [[0, "a"], [2, "c"]], "log_start_offset": 0, "topic_id": TOPIC_ID}, 3)
    assert story.found() == {"int-poll-skip": 1}


def test_a_retry_that_lies_in_a_deleted_topic_as_well_was_read_where_it_is_committed() -> None:
    """Before the topic was created anew, "a" was written at offset 0 by a broker that did not know of its end."""
    story = Logs()
    for node, record in ((1, "x"), (3, "x"), (2, "a")):
        for f, facts in (
            ("log-opened", {"log_start_offset": 0, "end_offset": 0, "high_watermark": 0}),
            ("log-append", {"base_offset": 0, "records": [record], "role": "follower"}),
        ):
            story.observe(f, node, value={"topic_id": "orders@0e", **facts}, leader_epoch=0)
    story.begins("x", 3)
    story.observe("leader-start", 1, value={
        "topic_id": "orders@0e", "isr": [1, 3], "replicas": [1, 2, 3], "epoch_start_offset": 0, "high_watermark": 0,
        "end_offset": 1, "min_isr": 2}, leader_epoch=1, partition_epoch=1)
    story.observe("high-watermark", 1, value={
        "topic_id": "orders@0e", "high_watermark": 1, "role": "leader", "isr": [1, 3], "maximal_isr": [1, 3],
        "min_isr": 2}, leader_epoch=1)
    story.produces("a")
    story.polls((0, "a"))
    assert story.found() == {}


def test_a_history_without_its_observations_does_not_concern_it() -> None:
    story = Logs(observations=["log-append"])
    story.produces("a")
    assert next(result.verdict for result in story.results() if result.checker == "client-logs") == "not-applicable"
