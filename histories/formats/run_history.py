"""Our own histories: of `history.jsonl`, only what clients did. Faults and observations are passed over."""

from collections.abc import Iterator

from fencepost.histories.event import FAULT, OBSERVE
from fencepost.histories.formats.source import Lines
from fencepost.histories.history import event_of, read_header, read_object
from fencepost.histories.operations import HistoryOp


def read_run_history(lines: Lines) -> Iterator[HistoryOp]:
    """The operations of a run's history; `extra` holds the event's epochs. Raises HistoryError, in one line."""
    read_header(lines.name, ((lines.number, line) for line in lines))
    for line in lines:
        data = read_object(lines.name, lines.number, line)
        if "end" in data:
            return
        if data.get("type") in (OBSERVE, FAULT):
            continue
        event = event_of(lines.name, lines.number, data)
        yield HistoryOp(event.index, event.time_us, event.type, event.process, event.f, event.key, event.value,
                        event.error, event.epochs or {}, lines.number)
