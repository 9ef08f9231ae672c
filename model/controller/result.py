"""What an operation of the controller comes to: records to append, an answer, and evidence.

An operation only reads the image and returns a `Result`; the controller appends the records, applies them to its
optimistic state and answers once they are committed. An operation that fails as a whole raises `ApiError`, which is
answered at once; a refusal of what was asked about one thing (a topic, a partition) is an ordinary answer without
records and waits for what is pending, as in Kafka.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fencepost.model.protocol.controller import AdminResponse


class Evidence(NamedTuple):
    """An observation that is recorded once the operation has had its effect."""

    f: str
    key: str | None
    value: dict[str, Any]
    error: str | None
    epochs: dict[str, int]


class ApiError(Exception):
    """The request as a whole is refused with `error`; answered at once (Kafka's ApiException)."""

    def __init__(self, error: str, *evidence: Evidence) -> None:
        super().__init__(error)
        self.error = error
        self.evidence = evidence


@dataclass(slots=True)
class Result:
    """What an operation decided.

    records: to be appended in one batch; none for a read or a refusal.
    response: the answer, sent when the records are committed; of periodic tasks, whether there is more to do at once.
    after_append: called with the offset of the last record (without records, of the last one appended before).
    points: named points that are passed by the append.
    """

    records: list[Any] = field(default_factory=list)
    response: Any = None
    evidence: tuple[Evidence, ...] = ()
    points: tuple[str, ...] = ()
    after_append: tuple[Callable[..., None], tuple[Any, ...]] | None = None


def refused(error: str) -> Result:
    """The result of an administration request that is refused."""
    return Result(response=AdminResponse(error))


def described(record: Any) -> list[Any]:
    """A record as plain data: [type, {field: value}]."""
    fields = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in zip(record._fields, record, strict=True)
    }
    return [type(record).__name__, fields]
