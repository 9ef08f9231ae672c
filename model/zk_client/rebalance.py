"""One attempt of a consumer at its share of the group's partitions (ZKRebalancerListener.rebalance of Kafka 0.8.2).

In this order: see that there are brokers; release what it owned; read who is in the group and how many partitions each
topic has, which arms the watches again; work out its share (the range assignment); read the offsets; claim each
partition by an ephemeral znode. All of them or none: where another still holds one, what was claimed is released again
and the attempt has failed. A commit that comes between the reading and the claim is missed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.group import TopicPartition
from fencepost.model.zk_client.fencing import OffsetFence
from fencepost.model.zk_client.stored_offsets import Fetched, StoredOffsets
from fencepost.model.zk_client.znodes import IDS, OFFSETS, OWNERS, consumer_path, group_path, parents_of, partition_path
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, Outcome
from fencepost.model.zk_controller.znodes import BROKER_IDS, topic_path

if TYPE_CHECKING:
    from fencepost.model.zk_client.group_member import ZkGroupMember

Places = tuple[TopicPartition, ...]


class AttemptOwner(Protocol):
    """Who is told when it gives up what it owned, and how the attempt ended: once, unless it was cancelled."""

    def on_release(self) -> None:
        """What it owned is about to be released; until now it was its own to commit."""

    def on_owned(self, own: Places, fetched: Fetched) -> None:
        """All of the share is claimed."""

    def on_no_brokers(self) -> None:
        """There is no broker: nothing was done."""

    def on_failed(self) -> None:
        """Nothing is claimed."""


class RebalanceAttempt:
    """One attempt. owned: what the consumer has to release. fence: None for claims that fence nobody."""

    def __init__(
        self, member: "ZkGroupMember", keeper: KafkaZkClient, offsets: StoredOffsets, fence: OffsetFence | None,
        owned: Places, principal: str,
    ) -> None:
        self._owner: AttemptOwner = member
        self._group = member.group
        self._topics = member.topics
        self._id = member.member_id
        self._keeper = keeper
        self._offsets = offsets
        self._fence = fence
        self._owned = owned
        self._principal = principal
        self._cancelled = False

    def cancel(self) -> None:
        """Nothing follows any more."""
        self._cancelled = True

    def begin(self) -> None:
        """Look for brokers first."""
        self._ask([zk.GetChildrenOp(BROKER_IDS)], self._on_brokers)

    def _ask(self, operations: list[zk.Operation], then: Callable[..., None], *args: object) -> None:
        self._keeper.request_all(operations, self._answered, then, args)

    def _answered(self, outcomes: list[Outcome], then: Callable[..., None], args: tuple[object, ...]) -> None:
        if not self._cancelled:
            then(outcomes, *args)

    def _on_brokers(self, outcomes: list[Outcome]) -> None:
        if outcomes[0].result.error is not None:
            self._owner.on_failed()
        elif not outcomes[0].result.value:
            self._owner.on_no_brokers()
        else:
            self._owner.on_release()
            self._release(self._owned, self._read_group)

    def _release(self, places: Places, then: Callable[[], None]) -> None:
        """Give partitions up, then go on."""
        operations: list[zk.Operation] = [zk.DeleteOp(partition_path(self._group, OWNERS, place)) for place in places]
        if operations:
            self._ask(operations, self._on_released, then)
        else:
            then()

    @staticmethod
    def _on_released(outcomes: list[Outcome], then: Callable[[], None]) -> None:
        then()

    # --- the share ----------------------------------------------------------------------------------------------------

    def _read_group(self) -> None:
        operations: list[zk.Operation] = [zk.GetChildrenOp(group_path(self._group, IDS))]
        operations += [zk.GetDataOp(topic_path(topic)) for topic in self._topics]
        self._ask(operations, self._on_group)

    def _on_group(self, outcomes: list[Outcome]) -> None:
        names, *topics = (outcome.result for outcome in outcomes)
        missing = [topic for topic, result in zip(self._topics, topics, strict=True) if result.error == zk.NONODE]
        if names.error is not None or any(result.error not in (None, zk.NONODE) for result in topics):
            self._owner.on_failed()
            return
        if missing:
            # For the watch that waits for the topic's creation.
            self._ask([zk.ExistsOp(topic_path(topic)) for topic in missing], self._on_looked)
        counts = {
            topic: 0 if result.error is not None else len(result.value.replicas)
            for topic, result in zip(self._topics, topics, strict=True)}
        consumers = tuple(names.value)
        self._ask([zk.GetDataOp(consumer_path(self._group, name)) for name in consumers], self._on_consumers, consumers,
                  counts)

    @staticmethod
    def _on_looked(outcomes: list[Outcome]) -> None:
        """The watches tell."""

    def _on_consumers(self, outcomes: list[Outcome], consumers: tuple[str, ...], counts: dict[str, int]) -> None:
        if any(outcome.result.error is not None for outcome in outcomes):
            self._owner.on_failed()  # one has left meanwhile
            return
        topics = {name: outcome.result.value for name, outcome in zip(consumers, outcomes, strict=True)}
        own = tuple(
            (topic, index) for topic in self._topics
            for index in own_range(counts[topic], sorted(name for name in topics if topic in topics[name]), self._id))
        self._offsets.fetch(own, True, self._principal, self._on_offsets, own)

    def _on_offsets(self, fetched: Fetched | None, error: str | None, own: Places) -> None:
        if self._cancelled:
            return
        if fetched is None:
            self._owner.on_failed()
        else:
            self._claim(own, fetched)

    # --- ownership ----------------------------------------------------------------------------------------------------

    def _claim(self, own: Places, fetched: Fetched) -> None:
        if not own:
            self._owner.on_owned(own, fetched)
            return
        paths = [partition_path(self._group, OWNERS, place) for place in own]
        if self._fence is not None:
            paths += [partition_path(self._group, OFFSETS, place) for place in own]
        parents = dict.fromkeys(parent for path in paths for parent in parents_of(path))
        operations: list[zk.Operation] = [zk.CreateOp(parent, None) for parent in parents]
        operations += [self._claim_of(place, fetched) for place in own]
        self._ask(operations, self._on_claimed, own, fetched)

    def _claim_of(self, place: TopicPartition, fetched: Fetched) -> zk.Operation:
        if self._fence is None:
            return zk.CreateOp(partition_path(self._group, OWNERS, place), self._id, True)
        offset, _, version = fetched.readings[place]
        return self._fence.claim(place, self._id, offset, version)

    def _on_claimed(self, outcomes: list[Outcome], own: Places, fetched: Fetched) -> None:
        """An answer that was lost may have been a claim of one's own: that is looked at."""
        claimed: list[TopicPartition] = []
        doubtful: list[TopicPartition] = []
        for place, (_, result, resent) in zip(own, outcomes[len(outcomes) - len(own):], strict=True):
            if result.error is None:
                claimed.append(place)
                if self._fence is not None:
                    self._fence.claimed(place, result)
            elif resent and result.error == zk.NODEEXISTS:
                doubtful.append(place)
        if doubtful:
            self._ask(
                [zk.GetDataOp(partition_path(self._group, OWNERS, place)) for place in doubtful], self._on_owners, own,
                claimed, doubtful, fetched)
        else:
            self._conclude(own, claimed, fetched, len(claimed) == len(own))

    def _on_owners(
        self, outcomes: list[Outcome], own: Places, claimed: list[TopicPartition], doubtful: list[TopicPartition],
        fetched: Fetched,
    ) -> None:
        """With a fence a claim whose version is not known is of no use."""
        mine = [
            place for place, (_, result, _) in zip(doubtful, outcomes, strict=True)
            if result.stat is not None and result.stat.ephemeral_owner == self._keeper.session_id]
        held = [*claimed, *mine]
        self._conclude(own, held, fetched, len(held) == len(own) and self._fence is None)

    def _conclude(self, own: Places, held: list[TopicPartition], fetched: Fetched, succeeded: bool) -> None:
        if succeeded:
            self._owner.on_owned(own, fetched)
        else:
            self._release(tuple(held), self._owner.on_failed)


def own_range(partitions: int, consumers: list[str], consumer: str) -> range:
    """The partitions of a topic that fall to a consumer: contiguous ranges in the order of the ids, the first ones
    larger by one where it does not divide evenly (RangeAssignor). Nothing for one that is not in the list."""
    if consumer not in consumers:
        return range(0)
    place = consumers.index(consumer)
    each, extra = divmod(partitions, len(consumers))
    begin = each * place + min(place, extra)
    return range(begin, begin + each + (1 if place < extra else 0))
