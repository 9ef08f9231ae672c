"""Writing a partition's log, as leader or follower, and the produces that wait until their records are committed."""

from typing import Any

from fencepost.model import errors
from fencepost.model.broker.partition_core import FOLLOWER, LEADER, Waiting, record_id
from fencepost.model.broker.partition_isr import PartitionIsr
from fencepost.model.protocol.data import Record


class PartitionLog(PartitionIsr):
    """Appending, truncating, waiting."""

    def append_as_leader(
        self, values: tuple[object, ...], keys: tuple[object, ...] | None, producer_id: int = -1,
        producer_epoch: int = -1, base_sequence: int = -1,
    ) -> tuple[Record, ...]:
        """Write records in this leader's epoch; the high watermark may move at once (a lone replica)."""
        base_offset = self.log.end_offset
        records = tuple(
            Record(
                base_offset + place, self.leader_epoch, None if keys is None else keys[place], value, producer_id,
                producer_epoch, base_sequence + place if producer_id >= 0 else -1, self._node.wall_us)
            for place, value in enumerate(values))
        for record in records:
            self.log.append(record)
            self.producers.learn(record)
        self._observe_append(records, LEADER)
        self._node.at_point("broker.appended")
        self.maybe_advance_high_watermark()
        self._manager.follower_fetches.complete(self)
        return records

    def append_as_follower(self, records: tuple[Record, ...]) -> None:
        """Write what the leader sent; it must follow the log's end."""
        assert not records or records[0].offset == self.log.end_offset, f"{self.name}: a gap"
        begin = 0
        for place, record in enumerate(records):
            self.log.append(record)
            if record.leader_epoch != records[begin].leader_epoch:
                self._observe_append(records[begin:place], FOLLOWER)
                begin = place
        if records:
            self._observe_append(records[begin:], FOLLOWER)
            self._node.at_point("broker.follower-appended")

    def truncate_to(self, end_offset: int) -> None:
        """Cut the log, and with it the high watermark."""
        old_end_offset = self.log.end_offset
        self.log.truncate_to(end_offset)
        if end_offset >= old_end_offset:
            return
        value = {
            "topic_id": self.topic_id, "end_offset": self.log.end_offset, "old_end_offset": old_end_offset,
            "high_watermark": self.high_watermark,
        }
        self._observe("log-truncate", value, leader_epoch=self.leader_epoch)
        self._node.at_point("broker.truncated")
        if self.high_watermark > end_offset:
            self.set_follower_high_watermark(end_offset)

    def wait_for_commit(
        self, records: tuple[Record, ...], required_offset: int, timeout_us: int, answer: Any, *context: Any
    ) -> None:
        """`answer(error or None, *context)` once everything below `required_offset` is committed, or it failed."""
        self.waiting.append(Waiting(
            required_offset, self.leader_epoch, answer, context, self._node.now_us + timeout_us, records))
        self._node.schedule(timeout_us, self._expire_waiting)
        self.complete_waiting()

    def complete_waiting(self) -> None:
        """Answer every produce that the high watermark has passed."""
        if not self.waiting:
            return
        done = [entry for entry in self.waiting if self.high_watermark >= entry.required_offset]
        if not done:
            return
        self.waiting = [entry for entry in self.waiting if self.high_watermark < entry.required_offset]
        enough = self.has_enough_replicas()
        for entry in done:
            if enough and entry.records:
                value = {
                    "topic_id": self.topic_id, "base_offset": entry.records[0].offset, "acks": -1,
                    "end_offset": entry.required_offset, "records": [record_id(record) for record in entry.records],
                }
                self._observe("produce-answered", value, leader_epoch=self.leader_epoch)
            entry.answer(None if enough else errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND, *entry.context)

    def fail_waiting(self, error: str) -> None:
        """Answer every waiting produce with an error."""
        waiting, self.waiting = self.waiting, []
        for entry in waiting:
            entry.answer(error, *entry.context)

    def _expire_waiting(self) -> None:
        now_us = self._node.now_us
        expired = [entry for entry in self.waiting if entry.deadline_us <= now_us]
        if expired:
            self.waiting = [entry for entry in self.waiting if entry.deadline_us > now_us]
            for entry in expired:
                entry.answer(errors.REQUEST_TIMED_OUT, *entry.context)

    def _observe_append(self, records: tuple[Record, ...], role: str) -> None:
        value = {
            "topic_id": self.topic_id, "base_offset": records[0].offset,
            "records": [record_id(record) for record in records], "role": role,
        }
        self._observe("log-append", value, leader_epoch=records[0].leader_epoch)
