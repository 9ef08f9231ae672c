"""Hand-written histories of one partition, as short as a story: who writes what, who leads, what the quorum decides."""

from typing import Any

from fencepost.checkers.data_plane import build
from fencepost.checkers.registry import CheckerSet
from fencepost.checkers.verdict import UNKNOWN, Result
from fencepost.histories.event import FAIL, INFO, INVOKE, OBSERVE, OK, Event

TOPIC, TOPIC_ID, KEY = "orders", "orders@1f", "orders-0"


class Story:
    """Events in the order in which they are told; every event is a millisecond after the one before.

    It begins with brokers 1, 2 and 3 registered and unfenced, and orders-0 on all of them, led by 1 in epoch 0.
    """

    def __init__(self, isr: tuple[int, ...] = (1, 2, 3), replicas: tuple[int, ...] = (1, 2, 3), **header: Any) -> None:
        properties = {"min.insync.replicas": "2", **header.pop("properties", {})}
        self.header = {
            "mode": "kraft", "controllers": [101, 102, 103], "brokers": [1, 2, 3], "voters": [101, 102, 103],
            "properties": properties, "excuses": True, **header}
        self.events: list[Event] = []
        self.offset = 0
        self.ends: dict[int, int] = {}
        self.incarnations: dict[int, int] = {}
        self.min_isr = min(int(properties["min.insync.replicas"]), len(replicas))
        for broker in (1, 2, 3):
            self.register(broker, fenced=False)
        self.commit(
            ("TopicRecord", {"name": TOPIC, "topic_id": TOPIC_ID}),
            ("PartitionRecord", {
                "topic_id": TOPIC_ID, "partition": 0, "replicas": list(replicas), "isr": list(isr),
                "adding_replicas": [], "removing_replicas": [], "leader": isr[0], "leader_epoch": 0,
                "partition_epoch": 0}))
        for broker in replicas:
            self.opened(broker, 0)

    # --- events ---------------------------------------------------------------------------------------------------

    def add(
        self, type_: str, f: str, *, node: int | None = None, process: int | None = None, key: str | None = None,
        value: Any = None, error: str | None = None, **epochs: int,
    ) -> Event:
        index = len(self.events)
        event = Event(index, 1000 * index, type_, f, process, node, key, value, error, epochs or None)
        self.events.append(event)
        return event

    def observe(self, f: str, node: int | None = None, key: str | None = KEY, value: Any = None, **epochs: int) -> None:
        self.add(OBSERVE, f, node=node, key=key, value=value, **epochs)

    def about(self, f: str, node: int, facts: dict[str, Any], **epochs: int) -> None:
        self.observe(f, node, KEY, {"topic_id": TOPIC_ID, **facts}, **epochs)

    # --- the quorum -----------------------------------------------------------------------------------------------

    def commit(self, *records: tuple[str, dict[str, Any]]) -> None:
        """The controllers apply a batch."""
        listed = [[self.offset + position, kind, fields] for position, (kind, fields) in enumerate(records)]
        self.offset += len(listed)
        for controller in (101, 102):
            self.observe("metadata-applied", controller, None, {
                "end_offset": self.offset, "digest": str(self.offset), "role": "controller", "records": listed},
                leader_epoch=1)

    def change(
        self, isr: tuple[int, ...] | None = None, leader: int = -2, **fields: Any
    ) -> tuple[str, dict[str, Any]]:
        listed = None if isr is None else list(isr)
        return "PartitionChangeRecord", {
            "topic_id": TOPIC_ID, "partition": 0, "isr": listed, "leader": leader, **fields}

    def registration(self, broker: int, fenced: bool = True) -> tuple[str, dict[str, Any]]:
        """A new incarnation of the broker."""
        number = self.incarnations[broker] = self.incarnations.get(broker, 0) + 1
        return "RegisterBrokerRecord", {
            "broker_id": broker, "incarnation_id": f"{broker}-{number}", "broker_epoch": self.offset, "fenced": fenced}

    def register(self, broker: int, fenced: bool = True, *others: tuple[str, dict[str, Any]]) -> None:
        record = self.registration(broker, fenced)
        self.observe("broker-state", broker, None, {
            "state": "STARTING", "incarnation_id": record[1]["incarnation_id"]}, broker_epoch=-1)
        self.commit(record, *others)

    def unfence(self, broker: int, fenced: bool = False) -> tuple[str, dict[str, Any]]:
        return "BrokerRegistrationChangeRecord", {"broker_id": broker, "broker_epoch": 0, "fenced": fenced}

    # --- replicas -------------------------------------------------------------------------------------------------

    def opened(self, node: int, end: int, high_watermark: int = 0) -> None:
        self.ends[node] = end
        self.about("log-opened", node, {
            "log_start_offset": 0, "end_offset": end, "high_watermark": high_watermark})

    def leads(
        self, node: int, epoch: int, isr: tuple[int, ...], high_watermark: int = 0, partition_epoch: int | None = None
    ) -> None:
        self.about("leader-start", node, {
            "isr": list(isr), "replicas": [1, 2, 3], "epoch_start_offset": self.ends[node],
            "high_watermark": high_watermark, "end_offset": self.ends[node], "min_isr": self.min_isr},
            leader_epoch=epoch, partition_epoch=epoch if partition_epoch is None else partition_epoch)

    def follows(self, node: int, leader: int, epoch: int, high_watermark: int = 0) -> None:
        self.about("follower-start", node, {
            "leader": leader, "end_offset": self.ends[node], "high_watermark": high_watermark},
            leader_epoch=epoch, partition_epoch=epoch)

    def writes(self, node: int, epoch: int, *records: str, role: str = "follower") -> None:
        self.about("log-append", node, {
            "base_offset": self.ends[node], "records": list(records), "role": role}, leader_epoch=epoch)
        self.ends[node] += len(records)

    def everyone_writes(self, epoch: int, *records: str, nodes: tuple[int, ...] = (1, 2, 3)) -> None:
        for node in nodes:
            self.writes(node, epoch, *records)

    def cuts(self, node: int, end: int, epoch: int) -> None:
        self.about("log-truncate", node, {
            "end_offset": end, "old_end_offset": self.ends[node], "high_watermark": 0}, leader_epoch=epoch)
        self.ends[node] = end

    def reaches(
        self, node: int, epoch: int, high_watermark: int, isr: tuple[int, ...], maximal: tuple[int, ...] | None = None
    ) -> None:
        """A leader's high watermark moves."""
        self.about("high-watermark", node, {
            "high_watermark": high_watermark, "role": "leader", "isr": list(isr),
            "maximal_isr": list(maximal or isr), "min_isr": self.min_isr}, leader_epoch=epoch)

    def hears(self, node: int, epoch: int, high_watermark: int) -> None:
        """A follower's high watermark moves."""
        self.about("high-watermark", node, {"high_watermark": high_watermark, "role": "follower"}, leader_epoch=epoch)

    def sees_isr(
        self, node: int, epoch: int, partition_epoch: int, isr: tuple[int, ...], maximal: tuple[int, ...] | None = None
    ) -> None:
        self.about("isr-changed", node, {
            "isr": list(isr), "maximal_isr": list(maximal or isr), "why": "answer"}, leader_epoch=epoch,
            partition_epoch=partition_epoch)

    def proposes(
        self, node: int, epoch: int, partition_epoch: int, isr: tuple[int, ...], broker_epochs: tuple[int, ...]
    ) -> None:
        self.about("isr-proposed", node, {
            "isr": list(isr), "maximal_isr": list(isr), "broker_epochs": list(broker_epochs)}, leader_epoch=epoch,
            partition_epoch=partition_epoch)

    def answers(self, node: int, epoch: int, base: int, *records: str) -> None:
        self.about("produce-answered", node, {
            "base_offset": base, "end_offset": base + len(records), "acks": -1, "records": list(records)},
            leader_epoch=epoch)

    def dies(self, node: int, lost_from: int | None = None) -> None:
        """The process ends; with `lost_from`, by a power cut that takes the log's tail."""
        self.observe("node-stopped", node, None, {"how": "kill" if lost_from is None else "power-loss"})
        if lost_from is not None:
            self.observe("disk-lost", node, f"{KEY}/{TOPIC_ID}", {
                "from_offset": lost_from, "end_offset": self.ends[node]})
            self.ends[node] = lost_from

    # --- clients --------------------------------------------------------------------------------------------------

    def asks(
        self, f: str, key: str | None, value: Any = None, answer: str = OK, result: Any = None, process: int = 0,
        **epochs: int,
    ) -> None:
        """An operation and its answer."""
        self.add(INVOKE, f, process=process, key=key, value=value)
        self.completes(f, key, answer, result, process, **epochs)

    def completes(
        self, f: str, key: str | None, answer: str = OK, result: Any = None, process: int = 0, **epochs: int
    ) -> None:
        self.add(answer, f, process=process, key=key, value=result, **epochs)

    # --- the verdict ----------------------------------------------------------------------------------------------

    def results(self) -> list[Result]:
        checkers = CheckerSet(build(self.header))
        for event in self.events:
            checkers.feed(event)
        return checkers.finish()

    def rules(self) -> dict[str, int]:
        """How often each rule was violated; fails if a checker did."""
        results = self.results()
        assert not [note for result in results if result.verdict == UNKNOWN for note in result.notes]
        return {rule: count for result in results for rule, count in result.counts.items()}

    def reasons(self) -> list[str]:
        """Why losses were excused."""
        return [excuse.reason for result in self.results() for excuse in result.excused]

    def words(self, rule: str) -> str:
        """What the first violation of the rule says."""
        return next(found.message for result in self.results() for found in result.violations if found.rule == rule)


__all__ = ["FAIL", "INFO", "KEY", "OK", "TOPIC", "TOPIC_ID", "Story"]
