"""An operation under way: what the workload asked for, and what is known of its fate so far."""

from typing import Any

from fencepost.model.kernel.scheduler import Timer


class Operation:
    """One operation of one client.

    data: as the workload has it. f, key: as in the history. value: what its invocation said.
    is_open: it has no completion yet; answers that come later are ignored.
    in_doubt: how many attempts were sent of which it is not known that they took no effect.
    refusal: the last error that said for certain that an attempt took none.
    absences: how many brokers in a row did not know its topic.
    """

    __slots__ = ("absences", "data", "f", "in_doubt", "is_open", "key", "refusal", "timer", "value")

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.f: str = data["f"]
        self.key: str | None = None
        self.value: dict[str, Any] = {}
        self.is_open = True
        self.in_doubt = 0
        self.refusal: str | None = None
        self.absences = 0
        self.timer: Timer | None = None
