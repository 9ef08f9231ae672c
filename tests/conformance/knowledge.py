"""What one side holds, folded from its metadata records: epochs to be told relative to, names of topic ids."""

from typing import Any

from steps import NONE

#: What an access control entry consists of.
ACL_FIELDS = ("principal", "operation", "permission", "resource_type", "resource_name")


class Knowledge:
    """Brokers' epochs and partitions' states, by the records that were written so far, given in one form."""

    def __init__(self, first_producer_id: int = 0) -> None:
        self.first_producer_id = self.next_producer_id = first_producer_id
        self.broker_epochs: dict[int, int] = {}
        self.topic_ids: dict[str, Any] = {}
        self.topics: dict[Any, str] = {}
        #: entries by the id that Kafka gives them; the model's have none
        self._acls: dict[Any, tuple[object, ...]] = {}
        #: (topic id, partition) -> [leader, leader epoch, partition epoch]
        self.partitions: dict[tuple[Any, int], list[int]] = {}

    @property
    def acls(self) -> list[tuple[Any, ...]]:
        """The entries that there are; a real side's only."""
        return list(self._acls.values())

    def broker_epoch(self, broker: int, relative: int) -> int:
        """The epoch of a broker, or one near it; an unknown broker's is 1,000."""
        return -1 if relative == NONE else self.broker_epochs.get(broker, 1_000) + relative

    def partition(self, topic: str) -> tuple[int, int]:
        """(leader epoch, partition epoch) of a topic's partition 0; (0, 0) if there is none."""
        state = self.partitions.get((self.topic_ids.get(topic), 0))
        return (0, 0) if state is None else (state[1], state[2])

    def leader(self, topic: str) -> int | None:
        """Who leads a topic's partition 0, -1 for nobody; None if there is no such topic."""
        state = self.partitions.get((self.topic_ids.get(topic), 0))
        return None if state is None else state[0]

    def name(self, topic_id: Any) -> str:
        """The topic's name; a deleted one's, too."""
        return self.topics.get(topic_id, "?")

    def learn(self, name: str, fields: dict[str, Any]) -> tuple[object, ...]:
        """Take a record in, and give it without what differs from cluster to cluster (ids, epochs that are offsets)."""
        if name == "RegisterBroker":
            self.broker_epochs[fields["broker"]] = fields["epoch"]
            return (name, fields["broker"], fields["fenced"], fields["in_controlled_shutdown"])
        if name == "BrokerChange":
            return (name, fields["broker"], fields["fenced"], fields["in_controlled_shutdown"])
        if name == "Topic":
            self.topic_ids[fields["name"]] = fields["topic_id"]
            self.topics[fields["topic_id"]] = fields["name"]
            return (name, fields["name"])
        if name == "RemoveTopic":
            topic = self.name(fields["topic_id"])
            self.topic_ids.pop(topic, None)
            return (name, topic)
        if name == "ProducerIds":
            self.next_producer_id = fields["next_producer_id"]
            return (name, fields["broker"], self.next_producer_id - self.first_producer_id)
        if name == "Acl":
            entry = tuple(fields[field] for field in ACL_FIELDS)
            self._acls[fields.get("id")] = entry
            return (name, *entry)
        if name == "RemoveAcl":
            return (name, *(self._acls.pop(fields["id"]) if "id" in fields else tuple(fields.values())))
        if name == "Partition":
            key = (fields["topic_id"], fields["partition"])
            self.partitions[key] = [fields["leader"], fields["leader_epoch"], fields["partition_epoch"]]
        elif name == "PartitionChange":
            state = self.partitions[(fields["topic_id"], fields["partition"])]
            state[2] += 1
            if fields["leader"] != -2:
                state[0] = fields["leader"]
                state[1] += 1
        if "topic_id" in fields:
            fields = {"topic": self.name(fields["topic_id"]), **fields}
            del fields["topic_id"]
        return (name, *sorted(fields.items()))
