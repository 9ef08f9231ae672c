"""Rules about the committed metadata: one sequence of records, one state at each offset, on every node.

*StateMachineDeterminism.* Whoever has applied the metadata up to an offset has the same image. Example: a deposed
controller does not take back all that was not committed; at offset 90 its image is another than the brokers'
(KAFKA-13114).

*MetadataLogMatching.* What a node applies is a prefix of what the quorum committed: in order, at the same offsets under
the same epochs, and never ahead of what a leader has committed.

*BrokerEpochUnique.* A broker epoch stands for one incarnation of one broker, and a broker's next one is higher.

*BrokerEpochOnlyOnRestart.* The same incarnation keeps its broker epoch. Example: broker 11's registration is answered
too late, it asks again, and gets another epoch that fences its own requests (KAFKA-16952). With ZooKeeper a new session
means a new broker epoch, so that the rule does not hold there.

*PartitionEpochMonotone.* An accepted ISR change expects the partition epoch that the partition has; nothing sets a
partition's epochs back.

*TopicIdConsistency.* A name stands for one topic at a time, an id for one topic ever, and records name existing topics
and partitions. Example: a controller that claimed before it had replayed its log creates "orders" a second time.

The committed records are taken from the controllers' `metadata-applied` (with ZooKeeper, the ensemble's), each offset
once, from whoever is first.
"""

from typing import Any

from fencepost.checkers.verdict import Checker, Findings, seconds
from fencepost.histories.event import Event

DETERMINISM = "StateMachineDeterminism"
LOG_MATCHING = "MetadataLogMatching"
EPOCH_UNIQUE = "BrokerEpochUnique"
EPOCH_ON_RESTART = "BrokerEpochOnlyOnRestart"
PARTITION_EPOCH = "PartitionEpochMonotone"
TOPIC_ID = "TopicIdConsistency"


class MetadataConsistency(Findings):
    """Checks the rules above; work per event is that of the records it names."""

    name = "metadata-consistency"
    needs = frozenset({"metadata-applied"})
    consumes = frozenset({
        "metadata-applied", "raft-high-watermark", "node-started", "alter-partition", "broker-registration",
    })

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        offered = header.get("observations")
        self._sees_commits = offered is None or "raft-high-watermark" in offered
        self._keeps_broker_epochs = header.get("mode") != "zk"
        if not self._keeps_broker_epochs:
            self.notes.append(f"{EPOCH_ON_RESTART} is a rule of KRaft mode: not judged")
        self._committed_end = -1
        #: end offset -> digest, epoch and event of the first that applied it
        self._images: dict[int, tuple[str, int, Event]] = {}
        #: (node, role) -> (end offset, event) in this incarnation
        self._positions: dict[tuple[int, str], tuple[int, int]] = {}
        self._folded_end = 0
        #: broker epoch -> (broker, incarnation, event); broker -> (broker epoch, incarnation, event)
        self._broker_epochs: dict[int, tuple[int, str, int]] = {}
        self._brokers: dict[int, tuple[int, str, int]] = {}
        self._reregistered: dict[tuple[int, int], bool] = {}
        #: name -> topic id; topic id -> (name, event); (topic id, partition) -> [leader epoch, partition epoch]
        self._topics: dict[str, str] = {}
        self._topic_ids: dict[str, tuple[str, int]] = {}
        self._partitions: dict[tuple[str, int], list[int]] = {}
        self._handlers = {
            "RegisterBrokerRecord": self._on_register_broker, "TopicRecord": self._on_topic,
            "RemoveTopicRecord": self._on_remove_topic, "PartitionRecord": self._on_partition,
            "PartitionChangeRecord": self._on_partition_change,
        }

    def feed(self, event: Event) -> None:
        """Take the next event."""
        if event.f == "metadata-applied":
            self._on_applied(event)
        elif event.f == "raft-high-watermark":
            if event.value["state"] == "leader":
                self._committed_end = max(self._committed_end, event.value["high_watermark"])
        elif event.f == "node-started":
            for role in ("controller", "broker"):
                self._positions.pop((event.node or 0, role), None)
        elif event.f == "alter-partition":
            self._on_alter_partition(event)
        else:
            self._on_registration(event)

    # --- images and order -------------------------------------------------------------------------------------------

    def _on_applied(self, event: Event) -> None:
        end, digest = event.value["end_offset"], event.value["digest"]
        epoch = (event.epochs or {}).get("leader_epoch", -1)
        who = f"At {seconds(event.time_us)} the {event.value['role']} of node {event.node}"
        known = self._images.setdefault(end, (digest, epoch, event))
        other = known[2]
        if known[0] != digest:
            self.violate(
                DETERMINISM,
                f"{who} has applied the metadata up to offset {end} and has the image {digest}; the "
                f"{other.value['role']} of node {other.node} had the image {known[0]} there (event {other.index}). The "
                f"same records must give the same state.", event, (other.index,))
        if known[1] != epoch:
            self.violate(
                LOG_MATCHING,
                f"{who} applied a batch that ends at offset {end} under epoch {epoch}; the {other.value['role']} of "
                f"node {other.node} applied one there under epoch {known[1]} (event {other.index}). What is committed "
                f"is the same everywhere.", event, (other.index,))
        self._check_order(event, end, who)
        if self._sees_commits and end > self._committed_end:
            self.violate(
                LOG_MATCHING,
                f"{who} applied the metadata up to offset {end}, but no leader of the quorum has committed more than "
                f"{max(0, self._committed_end)}. Only what is committed may be applied.", event)
        if event.value["role"] == "controller":
            self._fold(event)

    def _check_order(self, event: Event, end: int, who: str) -> None:
        position = (event.node or 0, event.value["role"])
        before = self._positions.get(position)
        if before is not None and end <= before[0]:
            self.violate(
                LOG_MATCHING,
                f"{who} applied the metadata up to offset {end} after it had been at offset {before[0]} (event "
                f"{before[1]}). Records are applied once and in order.", event, (before[1],))
        self._positions[position] = (end, event.index)

    def _fold(self, event: Event) -> None:
        """Take the committed records that nobody has shown before."""
        for offset, kind, fields in event.value.get("records") or ():
            if offset >= self._folded_end:
                self._folded_end = offset + 1
                handler = self._handlers.get(kind)
                if handler is not None:
                    handler(event, offset, fields)

    # --- brokers ----------------------------------------------------------------------------------------------------

    def _on_register_broker(self, event: Event, offset: int, fields: dict[str, Any]) -> None:
        broker, incarnation, epoch = fields["broker_id"], fields["incarnation_id"], fields["broker_epoch"]
        before = self._brokers.get(broker)
        self._brokers[broker] = (epoch, incarnation, event.index)
        owner = self._broker_epochs.setdefault(epoch, (broker, incarnation, event.index))
        if owner[:2] != (broker, incarnation):
            self.violate(
                EPOCH_UNIQUE,
                f"The committed registration at offset {offset} gives broker {broker} (incarnation {incarnation}) the "
                f"broker epoch {epoch}, which belongs to broker {owner[0]}, incarnation {owner[1]} (event {owner[2]}).",
                event, (owner[2],), node=broker)
        if before is None:
            return
        if before[1] == incarnation and before[0] != epoch:
            self._violate_same_incarnation(event, broker, incarnation, before[0], epoch, before[2])
        elif before[1] != incarnation and epoch <= before[0]:
            self.violate(
                EPOCH_UNIQUE,
                f"The committed registration at offset {offset} gives the new incarnation {incarnation} of broker "
                f"{broker} the broker epoch {epoch}; the one before had {before[0]} (event {before[2]}). It must rise.",
                event, (before[2],), node=broker)

    def _on_registration(self, event: Event) -> None:
        epochs, value = event.epochs or {}, event.value
        epoch, before = epochs.get("broker_epoch", -1), epochs.get("previous_broker_epoch", -1)
        same = value["incarnation_id"] == value.get("previous_incarnation_id")
        if event.error is None and same and before >= 0 and epoch != before:
            self._violate_same_incarnation(event, value["broker"], value["incarnation_id"], before, epoch, event.index)

    def _violate_same_incarnation(
        self, event: Event, broker: int, incarnation: str, before: int, epoch: int, index: int,
    ) -> None:
        if not self._keeps_broker_epochs or self._reregistered.setdefault((broker, epoch), False):
            return
        self._reregistered[(broker, epoch)] = True
        self.violate(
            EPOCH_ON_RESTART,
            f"At {seconds(event.time_us)} controller {event.node} gave broker {broker} the broker epoch {epoch}, "
            f"although the same incarnation ({incarnation}) is registered under {before}. That fences the broker's own "
            f"requests; only a new process gets a new epoch.", event, (index,), node=broker)

    # --- partitions -------------------------------------------------------------------------------------------------

    def _on_alter_partition(self, event: Event) -> None:
        epochs = event.epochs or {}
        sent, current = epochs.get("partition_epoch"), epochs.get("current_partition_epoch")
        if event.value.get("unchanged"):
            return
        if event.error in (None, "NEW_LEADER_ELECTED") and sent is not None and current is not None and sent != current:
            self.violate(
                PARTITION_EPOCH,
                f"At {seconds(event.time_us)} controller {event.node} accepted broker {event.value['broker']}'s ISR "
                f"{event.value['isr']} for {event.key}, decided at partition epoch {sent}, while the partition is at "
                f"{current}. The change was decided from another state and must be refused.", event)

    def _on_partition(self, event: Event, offset: int, fields: dict[str, Any]) -> None:
        key = (fields["topic_id"], fields["partition"])
        self._require_topic(event, offset, fields["topic_id"], "PartitionRecord")
        epochs = [fields["leader_epoch"], fields["partition_epoch"]]
        before = self._partitions.get(key)
        if before is not None and (epochs[0] < before[0] or epochs[1] < before[1]):
            self.violate(
                PARTITION_EPOCH,
                f"The committed PartitionRecord at offset {offset} sets {self._name(*key)} to leader epoch {epochs[0]} "
                f"and partition epoch {epochs[1]}, after it had been at {before[0]} and {before[1]}. They only "
                f"rise.", event)
        self._partitions[key] = epochs

    def _on_partition_change(self, event: Event, offset: int, fields: dict[str, Any]) -> None:
        key = (fields["topic_id"], fields["partition"])
        epochs = self._partitions.get(key)
        if epochs is None:
            self.violate(
                TOPIC_ID,
                f"The committed PartitionChangeRecord at offset {offset} changes partition {key[1]} of topic id "
                f"{key[0]}, which does not exist at this offset.", event)
            return
        epochs[1] += 1
        if fields.get("leader", -2) != -2:
            epochs[0] += 1

    def _name(self, topic_id: str, partition: int) -> str:
        return f"{self._topic_ids.get(topic_id, (topic_id, 0))[0]}-{partition}"

    # --- topics -----------------------------------------------------------------------------------------------------

    def _on_topic(self, event: Event, offset: int, fields: dict[str, Any]) -> None:
        name, topic_id = fields["name"], fields["topic_id"]
        holder = self._topics.get(name)
        if holder is not None:
            index = self._topic_ids[holder][1]
            self.violate(
                TOPIC_ID,
                f"The committed TopicRecord at offset {offset} creates topic {name} with id {topic_id}, although "
                f"{name} exists with id {holder} (event {index}).", event, (index,), key=name)
        used = self._topic_ids.get(topic_id)
        if used is not None:
            self.violate(
                TOPIC_ID,
                f"The committed TopicRecord at offset {offset} gives topic {name} the id {topic_id}, which topic "
                f"{used[0]} has or had (event {used[1]}). An id is used once.", event, (used[1],), key=name)
        self._topics[name] = topic_id
        self._topic_ids[topic_id] = (name, event.index)

    def _on_remove_topic(self, event: Event, offset: int, fields: dict[str, Any]) -> None:
        topic_id = fields["topic_id"]
        if not self._require_topic(event, offset, topic_id, "RemoveTopicRecord"):
            return
        del self._topics[self._topic_ids[topic_id][0]]
        for key in [key for key in self._partitions if key[0] == topic_id]:
            del self._partitions[key]

    def _require_topic(self, event: Event, offset: int, topic_id: str, kind: str) -> bool:
        """Whether the topic exists here; a record that names another one is a violation."""
        name = self._topic_ids.get(topic_id, ("", 0))[0]
        if self._topics.get(name) == topic_id:
            return True
        self.violate(
            TOPIC_ID,
            f"The committed {kind} at offset {offset} names topic id {topic_id}, which does not exist at this offset.",
            event, key=name or None)
        return False


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header."""
    return [MetadataConsistency(header)]
