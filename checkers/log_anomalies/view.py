"""What a history shows of each log: which values lay at which offsets, who sent them and who polled them.

Where each inference comes from:

- **Polls** count whatever became of their operation, `fail` and `info` too: Kafka shows consumers committed records
  only, and a record that was shown was there, even if the transaction that looked at it then aborted.
- **Sends** count when they must have taken effect: their operation is `ok`, or it is `info` and an `ok` poll returned
  something that it sent (all of a transaction's sends commit together). A send that failed, or that nobody can prove,
  says nothing about the log.

Offsets may have gaps (transaction markers take offsets that no client sees), so that the analysis works with a record's
*position*: its rank among the offsets of the log that are known to hold something.
"""

from typing import NamedTuple

from fencepost.checkers.log_anomalies.operations import LogOperation, Record
from fencepost.histories.event import INFO, OK


class KnownLog:
    """One log, as far as the history shows it.

    offsets: those known to hold something, ascending; a record's position is the index here.
    values: at each position, every value that was seen there, each with the first operation that showed it, in the
        order of the history; one, in a correct log.
    positions: of each value, ascending; one, in a correct log.
    """

    def __init__(self, held: dict[int, dict[object, LogOperation]]) -> None:
        self.offsets = sorted(held)
        self.values = [held[offset] for offset in self.offsets]
        self.positions: dict[object, list[int]] = {}
        self._by_offset = {offset: position for position, offset in enumerate(self.offsets)}
        for position, values in enumerate(self.values):
            for value in values:
                self.positions.setdefault(value, []).append(position)

    def position(self, record: Record) -> int | None:
        """Where the record lies; None if nobody can tell (not seen, or seen at several offsets and told none)."""
        if record.offset is not None:
            position = self._by_offset.get(record.offset)
            if position is not None and record.value in self.values[position]:
                return position
        positions = self.positions.get(record.value, ())
        return positions[0] if len(positions) == 1 else None

    def distance(self, earlier: Record, later: Record) -> int:
        """By how many positions the second lies behind the first; 1, as it should be, if nobody can tell."""
        first, second = self.position(earlier), self.position(later)
        return 1 if first is None or second is None else second - first

    def between(self, earlier: Record, later: Record) -> list[Record]:
        """The records that are known to lie between the two."""
        first, second = self.position(earlier), self.position(later)
        if first is None or second is None:
            return []
        return [Record(self.offsets[at], next(iter(self.values[at]))) for at in range(first + 1, second)]


class Contract(NamedTuple):
    """Why something that is no fault everywhere is none here; None where it is one."""

    uncommitted_reads: str | None = None
    unseen: str | None = None
    information_cycles: str | None = None


class LogView:
    """Every log of a history.

    operations: all of them, as invoked.
    contract: what the history is judged by.
    writers: by key and value, the operation that sent it.
    polled: by key and value, the first `ok` operation that polled it.
    logs: by key, what is known of the log.
    unsent: (key, record, operation) of each polled value that no operation sent.
    """

    def __init__(self, operations: list[LogOperation], contract: Contract) -> None:
        self.operations = operations
        self.contract = contract
        self.writers: dict[str, dict[object, LogOperation]] = {}
        self.polled: dict[str, dict[object, LogOperation]] = {}
        for operation in operations:
            self._index(operation)
        self.logs = {key: KnownLog(held) for key, held in self._held().items()}
        self.unsent = [
            (key, record, operation) for operation in operations for key, records in operation.polls.items()
            for record in records if record.value not in self.writers.get(key, {})]

    def took_effect(self, operation: LogOperation) -> bool:
        """Whether what it sent must have been committed."""
        if operation.type == INFO:
            return any(
                record.value in self.polled.get(key, {}) for key, records in operation.sends.items()
                for record in records)
        return operation.type == OK

    def _index(self, operation: LogOperation) -> None:
        for key, records in operation.sends.items():
            writers = self.writers.setdefault(key, {})
            for record in records:
                writers[record.value] = operation
        if operation.type == OK:
            for key, records in operation.polls.items():
                polled = self.polled.setdefault(key, {})
                for record in records:
                    polled.setdefault(record.value, operation)

    def _held(self) -> dict[str, dict[int, dict[object, LogOperation]]]:
        held: dict[str, dict[int, dict[object, LogOperation]]] = {}
        for operation in self.operations:
            shown = [operation.polls, operation.sends] if self.took_effect(operation) else [operation.polls]
            for by_key in shown:
                for key, records in by_key.items():
                    log = held.setdefault(key, {})
                    for offset, value in records:
                        if offset is not None:
                            log.setdefault(offset, {}).setdefault(value, operation)
        return held
