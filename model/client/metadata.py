"""The cluster as a client knows it (org.apache.kafka.clients.Metadata).

Brokers answer from images that may be old. As in Kafka, a partition's leader is taken over unless the answer's leader
epoch is below one already seen for the same topic id; everything else is believed as told.

Left out: rack, replicas and the list of brokers: clients ask any broker of their bootstrap list, which names them all.
"""

from fencepost.model.protocol.data import MetadataResponse

#: (leader, leader epoch) of a partition of which nothing is known.
UNKNOWN = (-1, -1)


class Metadata:
    """Topics and leaders as last heard. max_age_us: metadata.max.age.ms."""

    __slots__ = ("_epochs", "_leaders", "_max_age_us", "_topic_ids", "_updated_us")

    def __init__(self, max_age_us: int) -> None:
        self._max_age_us = max_age_us
        self._updated_us = 0
        self._topic_ids: dict[str, str] = {}
        #: topic -> (leader, leader epoch) by partition
        self._leaders: dict[str, list[tuple[int, int]]] = {}
        #: (topic id, partition) -> the highest leader epoch seen
        self._epochs: dict[tuple[str, int], int] = {}

    def update(self, response: MetadataResponse, now_us: int) -> None:
        """Take an answer about all topics over."""
        leaders: dict[str, list[tuple[int, int]]] = {}
        for topic, (topic_id, partitions) in response.topics.items():
            known = self._leaders.get(topic, ()) if self._topic_ids.get(topic) == topic_id else ()
            leaders[topic] = [
                (partition.leader, partition.leader_epoch)
                if self._is_newest_epoch(topic_id, index, partition.leader_epoch)
                else known[index] if index < len(known) else UNKNOWN
                for index, partition in enumerate(partitions)
            ]
        self._topic_ids = {topic: topic_id for topic, (topic_id, _) in response.topics.items()}
        self._leaders = leaders
        self._updated_us = now_us

    def _is_newest_epoch(self, topic_id: str, index: int, leader_epoch: int) -> bool:
        """Whether nothing later was seen of the partition; notes the epoch."""
        if leader_epoch < self._epochs.get((topic_id, index), -1):
            return False
        self._epochs[(topic_id, index)] = leader_epoch
        return True

    def partitions_of(self, topic: str) -> int | None:
        """How many partitions the topic has, None when it is not known."""
        leaders = self._leaders.get(topic)
        return None if leaders is None else len(leaders)

    def topic_id(self, topic: str) -> str | None:
        """The topic's id, None when it is not known."""
        return self._topic_ids.get(topic)

    def leader_of(self, topic: str, partition: int, now_us: int) -> tuple[int, int]:
        """(leader, leader epoch); `UNKNOWN` also when what is known is too old or said not to be true."""
        leaders = self._leaders.get(topic, ())
        if partition >= len(leaders) or now_us - self._updated_us > self._max_age_us:
            return UNKNOWN
        return leaders[partition]

    def forget_leader(self, topic: str, partition: int) -> None:
        """The leader said, or its silence suggests, that it is none: ask before the next attempt."""
        leaders = self._leaders.get(topic, ())
        if partition < len(leaders):
            self._leaders[topic][partition] = UNKNOWN
