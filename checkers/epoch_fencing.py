"""EpochFencing: whoever acts under an old epoch is refused.

Three things are checked:

- *Guards.* A request that a guard let pass carries the epochs of the receiver: the same leader epoch (an older sender
  is a zombie, a newer one knows a leader that the receiver is not, KIP-320), and no older partition, broker or
  controller epoch. Example: broker 11 leads orders-0 in epoch 3 and counts a fetch that was sent under epoch 1
  (KAFKA-7395).
- *The controller.* An ISR change that it accepts names its own partition's leader and partition epoch and the sender's
  broker epoch; no member of the new ISR comes with the broker epoch of an earlier incarnation (KIP-903); a heartbeat
  that it accepts carries the registered broker epoch.
- *Order.* What a process applies never goes back: leader and partition epochs of a partition (as long as its topic id
  is the same), a broker's own broker epoch, the epochs under which a controller writes.

Unset epochs (null or below 0) are those of clients that send none, and are not checked. `PartitionEpochMonotone` and
`BrokerEpochUnique` are in `metadata_consistency`.
"""

from typing import Any

from fencepost.checkers.verdict import Checker, Findings, seconds
from fencepost.histories.event import Event

RULE = "EpochFencing"

#: epochs that must be the receiver's own; of the others, older ones must not pass
EXACT = frozenset({"leader_epoch"})
#: errors with which the controller answers a change that it made
ACCEPTED = (None, "NEW_LEADER_ELECTED")


class EpochFencing(Findings):
    """Checks the rule in constant time per event."""

    name = "epoch-fencing"
    consumes = frozenset({
        "request-accepted", "alter-partition", "broker-heartbeat", "leader-start", "follower-start", "isr-changed",
        "broker-state", "metadata-write", "metadata-applied", "node-started",
    })

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        #: node -> (partition or what else, topic id, epoch's name) -> (epoch, event), of this incarnation
        self._applied: dict[int, dict[tuple[str, str, str], tuple[int, int]]] = {}
        #: controller node -> broker -> (broker epoch of its last registration that this controller applied, event)
        self._registered: dict[int, dict[int, tuple[int, int]]] = {}
        self._handlers = {
            "request-accepted": self._on_request_accepted, "alter-partition": self._on_alter_partition,
            "broker-heartbeat": self._on_heartbeat, "leader-start": self._on_partition,
            "follower-start": self._on_partition, "isr-changed": self._on_partition,
            "broker-state": self._on_broker_state,
            "metadata-write": self._on_written, "metadata-applied": self._on_applied, "node-started": self._on_started,
        }

    def feed(self, event: Event) -> None:
        """Take the next event."""
        if event.node is not None:
            self._handlers[event.f](event, event.node)

    def _on_started(self, event: Event, node: int) -> None:
        self._applied.pop(node, None)
        self._registered.pop(node, None)

    # --- guards -----------------------------------------------------------------------------------------------------

    def _on_request_accepted(self, event: Event, node: int) -> None:
        value = event.value or {}
        for name, sent in (event.epochs or {}).items():
            own = value.get(f"local_{name}")
            if own is None or sent is None or own < 0 or sent < 0:
                continue
            if sent < own or (sent > own and name in EXACT):
                age = "old" if sent < own else "newer"
                about = f" about {event.key}" if event.key else ""
                self.violate(
                    RULE,
                    f"At {seconds(event.time_us)} node {node} accepted a {value.get('request', 'request')}"
                    f"{about} from {value.get('from')} with the {age} {_words(name)} {sent}, while its own is "
                    f"{own}. It must be refused.", event)

    # --- the controller ---------------------------------------------------------------------------------------------

    def _on_alter_partition(self, event: Event, node: int) -> None:
        if event.error not in ACCEPTED:
            return
        epochs, value = event.epochs or {}, event.value
        for name in ("leader_epoch", "broker_epoch"):
            sent, current = epochs.get(name, -1), epochs.get(f"current_{name}", -1)
            if sent != current and sent >= 0 and current >= 0:
                self.violate(
                    RULE,
                    f"At {seconds(event.time_us)} controller {node} accepted the ISR {value['isr']} for {event.key} "
                    f"from broker {value['broker']} under {_words(name)} {sent}, while the current one is {current}. "
                    f"It must be refused.", event)
        registered = self._registered.get(node, {})
        for broker, sent in zip(value["isr"], value.get("broker_epochs") or (), strict=False):
            current, index = registered.get(broker, (-1, 0))
            if sent is not None and 0 <= sent < current:
                self.violate(
                    RULE,
                    f"At {seconds(event.time_us)} controller {node} let broker {broker} into the ISR of {event.key} "
                    f"with broker epoch {sent}, although it had applied broker {broker}'s registration under epoch "
                    f"{current} (event {index}). What the leader saw was an earlier incarnation; its log may be gone.",
                    event, (index,))

    def _on_heartbeat(self, event: Event, node: int) -> None:
        epochs = event.epochs or {}
        sent, current = epochs.get("broker_epoch", -1), epochs.get("current_broker_epoch", -1)
        if event.error is None and sent != current:
            self.violate(
                RULE,
                f"At {seconds(event.time_us)} controller {node} accepted a heartbeat of broker {event.value['broker']} "
                f"with broker epoch {sent}, while the registered one is {current}. It must be refused.", event)

    # --- order ------------------------------------------------------------------------------------------------------

    def _on_partition(self, event: Event, node: int) -> None:
        topic_id = str(event.value.get("topic_id"))
        for name in ("leader_epoch", "partition_epoch"):
            self._check_order(event, node, (str(event.key), topic_id, name))

    def _on_broker_state(self, event: Event, node: int) -> None:
        self._check_order(event, node, ("broker", "", "broker_epoch"))

    def _on_written(self, event: Event, node: int) -> None:
        self._check_order(event, node, ("controller", "", "controller_epoch"))

    def _check_order(self, event: Event, node: int, what: tuple[str, str, str]) -> None:
        epoch = (event.epochs or {}).get(what[2])
        if epoch is None:
            return
        applied = self._applied.setdefault(node, {})
        known = applied.get(what)
        if known is not None and epoch < known[0]:
            about = f" of {event.key}" if event.key else ""
            self.violate(
                RULE,
                f"At {seconds(event.time_us)} node {node} went back to {_words(what[2])} {epoch}{about} ({event.f}), "
                f"after it had applied {known[0]} (event {known[1]}). Within a process epochs only rise.",
                event, (known[1],))
        applied[what] = (epoch, event.index)

    def _on_applied(self, event: Event, node: int) -> None:
        for _, kind, fields in event.value.get("records") or ():
            if kind == "RegisterBrokerRecord":
                brokers = self._registered.setdefault(node, {})
                brokers[fields["broker_id"]] = (fields["broker_epoch"], event.index)


def _words(name: str) -> str:
    return name.replace("_", " ")


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header."""
    return [EpochFencing(header)]
