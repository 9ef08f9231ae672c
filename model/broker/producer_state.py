"""What a leader remembers of idempotent producers (ProducerStateManager, KIP-98), rebuilt from the log when need be.

Kafka remembers the last five batches of a producer; here the records of about as many, and any run of them is a
duplicate, for producers resend batches whole. An entry that expired or was truncated away is unknown, and any sequence
is accepted from an unknown producer.
"""

from fencepost.model import errors
from fencepost.model.protocol.data import ProduceRequest, Record

#: As many records as five of our largest batches.
RETAINED_RECORDS = 20
MAX_SEQUENCE = 0x7FFFFFFF


class ProducerState:
    """Producer id -> its epoch and its latest (sequence, offset) pairs."""

    __slots__ = ("_producers",)

    def __init__(self) -> None:
        self._producers: dict[int, tuple[int, list[tuple[int, int]]]] = {}

    def rebuild(self, records: list[Record]) -> None:
        """Forget everything and learn it again from the log."""
        self._producers.clear()
        for record in records:
            self.learn(record)

    def learn(self, record: Record) -> None:
        """Note a record that was appended."""
        if record.producer_id < 0:
            return
        epoch, latest = self._producers.get(record.producer_id, (record.producer_epoch, []))
        if record.producer_epoch > epoch:
            epoch, latest = record.producer_epoch, []
        latest.append((record.sequence, record.offset))
        del latest[:-RETAINED_RECORDS]
        self._producers[record.producer_id] = (epoch, latest)

    def duplicate_of(self, request: ProduceRequest) -> int | None:
        """The base offset at which this very batch was appended before, or None."""
        known = self._producers.get(request.producer_id)
        if known is None or known[0] != request.producer_epoch:
            return None
        offsets = dict(known[1])
        wanted = [request.base_sequence + place & MAX_SEQUENCE for place in range(len(request.values))]
        if all(sequence in offsets for sequence in wanted):
            return offsets[wanted[0]]
        return None

    def refusal(self, request: ProduceRequest) -> str | None:
        """The error for an epoch or sequence that does not follow, or None."""
        known = self._producers.get(request.producer_id)
        if known is None:
            return None
        epoch, latest = known
        if request.producer_epoch < epoch:
            return errors.INVALID_PRODUCER_EPOCH
        expected = 0 if request.producer_epoch > epoch else latest[-1][0] + 1 & MAX_SEQUENCE
        return None if request.base_sequence == expected else errors.OUT_OF_ORDER_SEQUENCE_NUMBER
