"""The event: one flat, immutable record of something that a run did or decided.

Three kinds of writer share it. *Clients* write `invoke`, `ok`, `fail` and `info`, as in Jepsen: `info` means that
nobody
knows whether the operation took effect, and the process id then retires. The *nemesis* writes `fault`. The *cluster*
writes `observe`: a fact about a safety-relevant transition (see `vocabulary`), recorded after its effect.
"""

from typing import Any, NamedTuple

INVOKE = "invoke"
OK = "ok"
FAIL = "fail"
INFO = "info"
FAULT = "fault"
OBSERVE = "observe"

#: The types that a client operation's completion may have.
COMPLETIONS = (OK, FAIL, INFO)


class Event(NamedTuple):
    """One event of a history. Everything in it is plain JSON data (str, int, bool, None, list, dict with str keys).

    index: position in the history, from 0.
    time_us: virtual (or, on real clusters, monotonic) microseconds since the start of the run.
    type: `invoke`, `ok`, `fail`, `info`, `fault` or `observe`.
    f: the operation's, fault's or observation's name.
    process: the client process, for client operations.
    node: the node that was observed or struck.
    key: what it is about: a topic-partition ("orders-0"), a group, a topic, a resource.
    value: the operation's argument or result, or the observation's named facts.
    error: the error code's name, where something was refused or failed.
    epochs: epochs and versions by Kafka's names: `leader_epoch`, `partition_epoch`, `broker_epoch`,
        `controller_epoch`, `coordinator_epoch`, `generation`, ...
    """

    index: int  # type: ignore[assignment]  # shadows tuple.index, which nobody needs of an event
    time_us: int
    type: str
    f: str
    process: int | None = None
    node: int | None = None
    key: str | None = None
    value: Any = None
    error: str | None = None
    epochs: dict[str, int] | None = None
