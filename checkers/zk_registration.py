"""RegisteredImpliesOwnedByLiveSession (ZooKeeper mode): a broker is registered by its own, present session.

The znode in /brokers/ids lives as long as the session that created it. A broker that takes another session's for its
own is registered until that one runs out, and then not at all. Example: broker 2 crashes and is back before its session
has run out; it finds /brokers/ids/2, believes to be registered, and vanishes 10 s later (KAFKA-7165, KAFKA-1387,
KAFKA-992).
"""

from typing import Any

from fencepost.checkers.verdict import Checker, Findings, seconds
from fencepost.histories.event import Event

RULE = "RegisteredImpliesOwnedByLiveSession"


class ZkRegistration(Findings):
    """Checks the rule in constant time per event."""

    name = "zk-registration"
    needs = frozenset({"broker-registered", "zk-session"})
    consumes = frozenset({"broker-registered", "zk-session"})

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        #: session -> event of its end
        self._closed: dict[int, int] = {}

    def feed(self, event: Event) -> None:
        """Take the next event."""
        value = event.value
        if event.f == "zk-session":
            if value["what"] == "closed":
                self._closed.setdefault(value["session"], event.index)
            return
        broker, own, owner = event.node, value["session"], value["owner"]
        if owner != own:
            ended = self._closed.get(owner)
            others = () if ended is None else (ended,)
            when = "ended" if ended is not None else "ends"
            self.violate(
                RULE,
                f"At {seconds(event.time_us)} broker {broker} took itself for registered under broker epoch "
                f"{(event.epochs or {}).get('broker_epoch')}, but its znode is session {owner:#x}'s, and its own "
                f"session is {own:#x}: when that one {when} the znode goes.", event, others)


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header."""
    return [ZkRegistration(header)]
