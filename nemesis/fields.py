"""The fields that kinds of fault take: what may stand in each, and what it means.

Which kind takes which is said by the kind itself (`fencepost.nemesis.kinds`). A field that a new kind brings along is
added to `FIELDS` here and to the record (`fencepost.nemesis.faults.Fault`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fencepost.nemesis.targets import check_target, is_partition, is_topic

#: The kinds of node that `others` may name.
OTHERS = ("controllers", "brokers", "clients", "zookeepers")


class FaultError(ValueError):
    """A fault in a schedule cannot be read; the message says which fault and field, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Field:
    """`allowed` says in words which values may stand there, `is_allowed` whether one may; `meaning` is for people.

    examples: values from the mildest to the harshest, for property tests.
    recorded: the history says what it was when the fault struck.
    """

    allowed: str
    is_allowed: Callable[[Any], bool]
    meaning: str
    examples: tuple[Any, ...] = ()
    recorded: bool = True

    def read(self, value: Any, name: str, where: str) -> Any:
        """The value; raises FaultError."""
        if not self.is_allowed(value):
            raise FaultError(f"{where}: {name} is {self.allowed}, not {value!r:.60}")
        return value


def _whole(value: Any, low: int | None = None, high: int | None = None) -> bool:
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return (low is None or value >= low) and (high is None or value <= high)


def _microseconds(meaning: str, examples: tuple[int, ...] = (), low: int = 0) -> Field:
    allowed = "a whole number of microseconds" + (f" from {low}" if low else "")
    return Field(allowed, lambda value: _whole(value, low), meaning, examples)


def _is_target(value: Any) -> bool:
    return isinstance(value, dict) and check_target(value) is None


def _is_setting(value: Any) -> bool:
    return isinstance(value, str) and all(value.partition("=")[::2])


#: Fields that every fault may have, and the time that it takes.
DURATION = _microseconds("how long it lasts; 0 for what happens in an instant")
AT = _microseconds("when it strikes, from the start of the run")
DRAWS = Field("a whole number", lambda value: _whole(value, 0), "the stream of its choices")
#: How much longer something takes: a little, about a time-out's part, about a time-out.
_DELAYS_US = (5_000, 50_000, 500_000)

#: By name, in the order in which a schedule file has them.
FIELDS: dict[str, Field] = {
    "other": Field("a target", _is_target, "the target at the link's other end",
        tuple({"role": role} for role in ("broker", "active-controller")), recorded=False),
    "others": Field(
        f"{', '.join(OTHERS[:-1])} or {OTHERS[-1]}", lambda value: value in OTHERS, "a kind of node",
        ("brokers", "controllers", "clients"), recorded=False),
    "direction": Field(
        "in or out", lambda value: value in ("in", "out"), "towards the target (in) or from it (out)", ("in", "out"),
        recorded=False),
    "delay_us": _microseconds("how much longer each thing takes", _DELAYS_US),
    "file": Field(
        "the name of a log", lambda value: isinstance(value, str) and bool(value),
        "a topic-partition (`orders-0`), `__cluster_metadata-0` or `zookeeper-log`",
        ("orders-0", "__cluster_metadata-0"), recorded=False),
    "partition": Field(
        "the name of a topic-partition", is_partition, "such as `orders-0`", ("orders-0", "__consumer_offsets-0")),
    "topic": Field(
        "the name of a topic (letters, digits, `.`, `_` and `-`)", is_topic, "such as `orders`",
        ("passing-a",)),
    "setting": Field(
        "name=value", _is_setting, "a topic's setting, such as `min.insync.replicas=3`",
        ("retention.ms=1000000", "min.insync.replicas=3")),
    "election": Field(
        "preferred or unclean", lambda value: value in ("preferred", "unclean"), "which leader is elected",
        ("preferred", "unclean")),
    "latency_us": _microseconds("how much longer each message is on its way", _DELAYS_US),
    "period_us": _microseconds("after that time it begins anew", (1_000_000, 300_000, 50_000), low=1_000),
    "loss_per_mille": Field(
        "a whole number from 1 to 1000", lambda value: _whole(value, 1, 1000), "how many of 1,000 messages are lost",
        (50, 300, 900)),
    "offset_us": Field(
        "a whole number of microseconds, not 0, negative for back", lambda value: _whole(value) and value != 0,
        "how far the wall clock is put forward or (negative) back", (100_000, -100_000, 2_000_000, -2_000_000)),
    "rate_ppm": Field(
        "a whole number from -900000 to 10000000, not 0",
        lambda value: _whole(value, -900_000, 10_000_000) and value != 0,
        "by how many millionths the wall clock runs too fast or (negative) too slow", (500, -500, 500_000, -500_000)),
    "remains": Field(
        "true", lambda value: value is True, "it outlasts the heal, and has no `duration_us`: the quiet phase is about "
        "all other nodes", (True,)),
}
