"""EpochFencing: whoever acts under an old epoch is refused. *LeaderEpochMonotone*: a replica's leader epoch only rises.

Three things are checked:

- *Guards.* A request that a guard let pass carries the epochs of the receiver: the same leader epoch (an older sender
  is a zombie, a newer one knows a leader that the receiver is not, KIP-320), and no older partition, broker or
  controller epoch. Example: broker 11 leads orders-0 in epoch 3 and counts a fetch that was sent under epoch 1
  (KAFKA-7395).
- *The controller.* An ISR change that it accepts names its own partition's leader and partition epoch and the sender's
  broker epoch; no member of the new ISR comes with the broker epoch of an earlier incarnation (KIP-903); a heartbeat
  that it accepts carries the registered broker epoch.
- *Order.* What a process applies never goes back: partition epochs of a partition (as long as its topic id is the
  same), a broker's own broker epoch, the epochs under which a controller writes; and, under the name
  LeaderEpochMonotone, a partition's leader epoch. A role in a partition is taken anew under a newer leader epoch only.
  Example: a new controller tells everybody again what it has read, and broker 2, the leader in epoch 4, begins epoch 4
  once more (KAFKA-1188).

Unset epochs (null or below 0) are those of clients that send none, and are not checked; but a controller of ZooKeeper
mode that sends none has last read, or has not, that its receiver is registered anew: what it sends until then is meant
for another incarnation (KIP-380). `PartitionEpochMonotone` and `BrokerEpochUnique` are in `metadata_consistency`.
"""

from typing import Any

from fencepost.checkers.verdict import Checker, Findings, seconds
from fencepost.histories.event import Event

RULE = "EpochFencing"
LEADER_EPOCH_MONOTONE = "LeaderEpochMonotone"

#: epochs that must be the receiver's own; of the others, older ones must not pass
EXACT = frozenset({"leader_epoch"})
#: errors with which the controller answers a change that it made
ACCEPTED = (None, "NEW_LEADER_ELECTED")
#: how many of the changes that one request made are told
TOLD = 3


class EpochFencing(Findings):
    """Checks the rule in constant time per event."""

    name = "epoch-fencing"
    consumes = frozenset({
        "request-accepted", "alter-partition", "broker-heartbeat", "leader-start", "follower-start", "isr-changed",
        "broker-state", "metadata-write", "metadata-applied", "node-started", "log-opened", "broker-list",
        "controller-claimed",
    })

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        #: node -> (partition or what else, topic id, epoch's name) -> (epoch, event), of this incarnation
        self._applied: dict[int, dict[tuple[str, str, str], tuple[int, int]]] = {}
        #: controller node -> broker -> (broker epoch of its last registration that this controller applied, event)
        self._registered: dict[int, dict[int, tuple[int, int]]] = {}
        #: node -> (partition, topic id) -> (leader epoch of its last role, event), since the partition was opened
        self._roles: dict[int, dict[tuple[str, str], tuple[int, int]]] = {}
        #: controller epoch -> broker -> (broker epoch, event), as its controller last read it (ZooKeeper mode)
        self._lists: dict[int, dict[int, tuple[int, int]]] = {}
        #: controller epoch -> the event of its claim
        self._claims: dict[int, int] = {}
        self._handlers = {
            "request-accepted": self._on_request_accepted, "alter-partition": self._on_alter_partition,
            "broker-heartbeat": self._on_heartbeat, "leader-start": self._on_role, "follower-start": self._on_role,
            "isr-changed": self._on_partition, "log-opened": self._on_opened, "broker-list": self._on_broker_list,
            "controller-claimed": self._on_claimed, "broker-state": self._on_broker_state,
            "metadata-write": self._on_written, "metadata-applied": self._on_applied, "node-started": self._on_started,
        }

    def feed(self, event: Event) -> None:
        """Take the next event."""
        if event.node is not None:
            self._handlers[event.f](event, event.node)

    def _on_started(self, event: Event, node: int) -> None:
        self._applied.pop(node, None)
        self._roles.pop(node, None)
        self._registered.pop(node, None)

    # --- guards -----------------------------------------------------------------------------------------------------

    def _on_request_accepted(self, event: Event, node: int) -> None:
        value, epochs = event.value or {}, event.epochs or {}
        claim = self._claims.get(epochs.get("controller_epoch", -1))
        others = () if claim is None else (claim,)
        for name, sent in epochs.items():
            own = value.get(f"local_{name}")
            if own is None or sent is None or own < 0:
                continue
            if sent < 0:
                self._check_unset(event, node, name, own, others)
            elif sent < own or (sent > own and name in EXACT):
                age = "old" if sent < own else "newer"
                about = f" about {event.key}" if event.key else ""
                self.violate(
                    RULE,
                    f"At {seconds(event.time_us)} node {node} accepted {_a(value.get('request', 'request'))}"
                    f"{about} from {value.get('from')} with the {age} {_words(name)} {sent}, while its own is "
                    f"{own}. It must be refused.{_changes(value)}", event, others)

    def _check_unset(self, event: Event, node: int, name: str, own: int, others: tuple[int, ...]) -> None:
        """A controller that names no broker epoch means the registration that it has read last."""
        listed = self._lists.get((event.epochs or {}).get("controller_epoch", -1), {}).get(node)
        if name == "broker_epoch" and listed is not None and listed[0] < own:
            self.violate(
                RULE,
                f"At {seconds(event.time_us)} node {node} accepted {_a(event.value.get('request', 'request'))} from "
                f"{event.value.get('from')} without a broker epoch. It is registered under {own}, and the sender has "
                f"only read of {listed[0]} (event {listed[1]}): it meant an earlier incarnation. A controller names "
                f"the broker epoch, so that this can be refused.", event, (*others, listed[1]))

    def _on_broker_list(self, event: Event, node: int) -> None:
        epoch = (event.epochs or {})["controller_epoch"]
        self._lists[epoch] = {broker: (czxid, event.index) for broker, czxid in event.value["brokers"]}

    def _on_claimed(self, event: Event, node: int) -> None:
        self._claims[(event.epochs or {})["controller_epoch"]] = event.index

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

    def _on_opened(self, event: Event, node: int) -> None:
        self._roles.get(node, {}).pop((str(event.key), str(event.value.get("topic_id"))), None)

    def _on_role(self, event: Event, node: int) -> None:
        self._on_partition(event, node)
        epoch = (event.epochs or {}).get("leader_epoch", -1)
        roles = self._roles.setdefault(node, {})
        what = (str(event.key), str(event.value.get("topic_id")))
        known = roles.get(what)
        if known is not None and known[0] == epoch:
            self.violate(
                LEADER_EPOCH_MONOTONE,
                f"At {seconds(event.time_us)} node {node} took its role in {event.key} ({event.f}) under leader epoch "
                f"{epoch} once more (event {known[1]}). A role is taken under a newer leader epoch only.",
                event, (known[1],))
        roles[what] = (epoch, event.index)

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
                LEADER_EPOCH_MONOTONE if what[2] == "leader_epoch" else RULE,
                f"At {seconds(event.time_us)} node {node} went back to {_words(what[2])} {epoch}{about} ({event.f}), "
                f"after it had applied {known[0]} (event {known[1]}). Within a process epochs only rise.",
                event, (known[1],))
        applied[what] = (epoch, event.index)

    def _on_applied(self, event: Event, node: int) -> None:
        for _, kind, fields in event.value.get("records") or ():
            if kind == "RegisterBrokerRecord":
                brokers = self._registered.setdefault(node, {})
                brokers[fields["broker_id"]] = (fields["broker_epoch"], event.index)


def _a(request: str) -> str:
    return f"{'an' if request[0] in 'AEIOU' else 'a'} {request}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _changes(value: dict[str, Any]) -> str:
    """What a request that must be refused has changed, where the receiver tells."""
    changes = value.get("changed")
    if changes is None:
        return ""
    told = [_change(what, before, after) for what, before, after in changes[:TOLD]]
    more = [f"{len(changes) - TOLD} more changes"] if len(changes) > TOLD else []
    return f" What came of it: {'; '.join((*told, *more)) or 'nothing'}."


def _change(what: str, before: list[int] | None, after: list[int] | None) -> str:
    if what == "controller":
        return f"it takes {(after or [-1])[0]} for the active controller, no longer {(before or [-1])[0]}"
    if after is None:
        return f"{what} is gone there"
    was = "" if before is None else f", where it knew of {_leader(before)}"
    return f"it takes {_leader(after)} for the leader of {what}{was}"


def _leader(known: list[int]) -> str:
    return f"{'nobody' if known[0] < 0 else known[0]} (leader epoch {known[1]})"


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header."""
    return [EpochFencing(header)]
