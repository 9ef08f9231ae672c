"""One consumer of a group that keeps itself in ZooKeeper (ZookeeperConsumerConnector of Kafka 0.8.2).

There is no coordinator and no generation: every consumer registers under /consumers/<group>/ids, watches that list and
the topics, and works out for itself which partitions are its own (the range assignment). It owns a partition once it
has created the ephemeral znode under /owners; another's is waited for: the attempt is given up, what it claimed is
released, and after a pause the next one begins, a limited number of times. Before it claims anything it releases what
it had. Positions are read between the two, so that a commit which comes in between is missed.

When its session expires others take over; the consumer learns of that only when it reaches a server again. Then it
registers in a new session and begins with nothing. Until then it goes on as it was, and commits.

With `fencepost.offsets.zookeeper.fencing` a claim also sets the offset's znode anew, in the same multi, if nobody has
written it since it was read: the versions that former owners know are then old, and so are their commits. No Kafka ever
did that; the next one brought generations instead.

Left out: automatic commits (as for today's consumer), several streams in one consumer, topic filters, the round-robin
assignment, and that a release which a new session sends again may delete another's claim (an attempt ends with its
session here).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fencepost.model.client.group_member import NO_GENERATION
from fencepost.model.client.operation import Operation
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.group import TopicPartition
from fencepost.model.zk_client.fencing import OffsetFence
from fencepost.model.zk_client.offset_znodes import NO_OFFSET, OffsetZnodes
from fencepost.model.zk_client.stored_offsets import Fetched, StoredOffsets
from fencepost.model.zk_client.znodes import IDS, OWNERS, consumer_path, group_path, parents_of, partition_path
from fencepost.model.zk_controller.kafka_zk_client import Outcome
from fencepost.model.zk_controller.znodes import BROKER_IDS, topic_path

if TYPE_CHECKING:
    from fencepost.model.zk_client.client_node import ZkClientNode


class ZkGroupMember:
    """A consumer from its registration to its end.

    assignment: the partitions that it owns. positions: where it reads on in each of them.
    joined: it owns its partitions and knows of no change since. committed: by partition, what it wrote last or found
        there when it began; an equal commit is not written again.
    """

    #: There is none.
    generation = NO_GENERATION

    def __init__(
        self, client: "ZkClientNode", group: str, topics: tuple[str, ...], instance_id: str | None
    ) -> None:
        self._client = client
        self._config = client.consumer_config
        self.group = group
        self.topics = topics
        self.instance_id = instance_id
        self.member_id = f"{group}_client{client.index}-{client.now_us}-{client.stream.bits(32):08x}"
        self.assignment: tuple[TopicPartition, ...] = ()
        self.positions: dict[TopicPartition, int] = {}
        self.committed: dict[TopicPartition, int] = {}
        self.joined = False
        self._waiting: tuple[Operation, Callable[..., None]] | None = None
        self._closed = False
        self._registered = self._rebalancing = self._triggered = False
        self._tries = 0
        #: counts attempts: an answer to an earlier one is not looked at
        self._attempt = 0
        self._keeper = client.make_keeper()
        self._keeper.session_listeners.append(self)
        self._keeper.child_handlers[group_path(group, IDS)] = self._on_change
        self._keeper.child_handlers[BROKER_IDS] = self._on_brokers_change
        for topic in topics:
            self._keeper.change_handlers[topic_path(topic)] = self._on_change
        self.znodes = OffsetZnodes(self._keeper, group)
        self._fence = OffsetFence(self._keeper, group) if self._config.offset_fencing else None
        self._offsets = StoredOffsets(client, self.znodes, group)
        self._no_brokers = False
        self._keeper.start()
        self._register()

    def close(self, leave: bool) -> None:
        """The consumer ends: in order, and its znodes with it, or as by a crash, and they stay for a while."""
        self._closed = True
        self._waiting = None
        self.znodes.stop()
        if leave:
            self._keeper.close()
        else:
            self._keeper.abandon()

    def note_answer(self, coordinator: int, error: str | None) -> None:
        """What an answer of the broker that keeps offsets says of its office."""
        self._client.coordinators.note_answer(self.group, coordinator, error)

    def when_joined(self, operation: Operation, then: Callable[..., None]) -> None:
        """Go on with `then(operation, member)` once the member owns its partitions, if the operation is open then."""
        if self.joined:
            then(operation, self)
            return
        self._waiting = (operation, then)
        if self._registered and not self._rebalancing:
            # The application has caught ConsumerRebalanceFailedException, and tries once more.
            self._rebalance()

    def write_offsets(self, offsets: dict[TopicPartition, int], then: Callable[..., None], *args: Any) -> None:
        """Write them to ZooKeeper; `then({place: zxid}, error or None, *args)` follows."""
        if self._fence is None:
            self.znodes.write(offsets, then, None, *args)
        else:
            self._fence.write(offsets, self._on_fenced_write, then, args)

    def _on_fenced_write(
        self, written: dict[TopicPartition, int], error: str | None, then: Callable[..., None], args: tuple[Any, ...]
    ) -> None:
        if not self._closed:
            then(written, error, *args)

    # --- the session --------------------------------------------------------------------------------------------------

    def before_initializing_session(self, proceed: Callable[[], None]) -> None:
        """Nothing has to end first."""
        proceed()

    def after_initializing_session(self) -> None:
        """Its znodes are gone, and others may own what it did: begin with nothing."""
        if not self._closed:
            self._forget_partitions()
            self._registered = self._rebalancing = False
            self._register()

    def _register(self) -> None:
        self._attempt += 1
        path = consumer_path(self.group, self.member_id)
        operations: list[zk.Operation] = [zk.CreateOp(parent, None) for parent in parents_of(path)]
        operations += [zk.CreateOp(group_path(self.group, OWNERS), None), zk.CreateOp(path, self.topics, True)]
        self._keeper.request_all(operations, self._on_registered, self._attempt)

    def _on_registered(self, outcomes: list[Outcome], attempt: int) -> None:
        error = outcomes[-1].result.error
        if attempt != self._attempt or self._closed or error == zk.SESSIONEXPIRED:
            return
        if error not in (None, zk.NODEEXISTS):
            self._register()
            return
        self._registered = True
        self._rebalance()

    def _on_change(self, event: zk.WatchEvent) -> None:
        """The consumers of the group, or the partitions of a topic, have changed."""
        self._triggered = True
        if self._registered and not self._rebalancing:
            self._rebalance()

    def _on_brokers_change(self, event: zk.WatchEvent) -> None:
        """Brokers matter only when there were none."""
        if self._no_brokers:
            self._on_change(event)

    # --- rebalancing --------------------------------------------------------------------------------------------------

    def _rebalance(self) -> None:
        self._tries, self._rebalancing = 0, True
        self._try()

    def _try(self) -> None:
        if self._closed:
            return
        self._attempt += 1
        self._tries += 1
        self._triggered = self._no_brokers = False
        self.joined = False
        self._keeper.request_all([zk.GetChildrenOp(BROKER_IDS)], self._on_brokers, self._attempt)

    def _is_over(self, attempt: int) -> bool:
        return attempt != self._attempt or self._closed

    def _on_brokers(self, outcomes: list[Outcome], attempt: int) -> None:
        if self._is_over(attempt):
            return
        if outcomes[0].result.error is not None:
            self._fail()
        elif not outcomes[0].result.value:
            self._no_brokers = True
            self._end()
        else:
            self._release(self.assignment, self._read_group, attempt)

    def _release(self, places: tuple[TopicPartition, ...], then: Callable[..., None], attempt: int) -> None:
        """Give partitions up, then go on with `then(attempt)`."""
        self._forget_partitions()
        operations = [zk.DeleteOp(partition_path(self.group, OWNERS, place)) for place in places]
        if operations:
            self._keeper.request_all(operations, self._on_released, then, attempt)
        else:
            then(attempt)

    def _on_released(self, outcomes: list[Outcome], then: Callable[..., None], attempt: int) -> None:
        if not self._is_over(attempt):
            then(attempt)

    def _forget_partitions(self) -> None:
        self.assignment, self.positions, self.committed = (), {}, {}
        self.joined = False

    def _read_group(self, attempt: int) -> None:
        operations: list[zk.Operation] = [zk.GetChildrenOp(group_path(self.group, IDS))]
        operations += [zk.GetDataOp(topic_path(topic)) for topic in self.topics]
        self._keeper.request_all(operations, self._on_group, attempt)

    def _on_group(self, outcomes: list[Outcome], attempt: int) -> None:
        if self._is_over(attempt):
            return
        names, *topics = (outcome.result for outcome in outcomes)
        missing = [topic for topic, result in zip(self.topics, topics, strict=True) if result.error == zk.NONODE]
        if names.error is not None or any(result.error not in (None, zk.NONODE) for result in topics):
            self._fail()
            return
        if missing:
            # For the watch that waits for the topic's creation.
            self._keeper.request_all([zk.ExistsOp(topic_path(topic)) for topic in missing], self._on_looked)
        counts = {
            topic: 0 if result.error is not None else len(result.value.replicas)
            for topic, result in zip(self.topics, topics, strict=True)}
        consumers = tuple(names.value)
        self._keeper.request_all(
            [zk.GetDataOp(consumer_path(self.group, name)) for name in consumers], self._on_consumers, consumers,
            counts, attempt)

    @staticmethod
    def _on_looked(outcomes: list[Outcome]) -> None:
        """The watches tell."""

    def _on_consumers(
        self, outcomes: list[Outcome], consumers: tuple[str, ...], counts: dict[str, int], attempt: int
    ) -> None:
        if self._is_over(attempt):
            return
        if any(outcome.result.error is not None for outcome in outcomes):
            self._fail()  # one has left meanwhile
            return
        topics = {name: outcome.result.value for name, outcome in zip(consumers, outcomes, strict=True)}
        own = tuple(
            (topic, index) for topic in self.topics
            for index in own_range(counts[topic], sorted(n for n in topics if topic in topics[n]), self.member_id))
        self._offsets.fetch(own, True, self._client.principal, self._on_offsets, own, attempt)

    def _on_offsets(
        self, fetched: Fetched | None, error: str | None, own: tuple[TopicPartition, ...], attempt: int
    ) -> None:
        if self._is_over(attempt):
            return
        if fetched is None:
            self._fail()
        else:
            self._claim(own, fetched, attempt)

    # --- ownership ----------------------------------------------------------------------------------------------------

    def _claim(self, own: tuple[TopicPartition, ...], fetched: Fetched, attempt: int) -> None:
        paths = [partition_path(self.group, OWNERS, place) for place in own]
        parents = dict.fromkeys(parent for path in paths for parent in parents_of(path))
        if self._fence is not None:
            parents.update(dict.fromkeys(parent for place in own for parent in parents_of(self.znodes.path(place))))
        operations: list[zk.Operation] = [zk.CreateOp(parent, None) for parent in parents]
        for place, path in zip(own, paths, strict=True):
            if self._fence is None:
                operations.append(zk.CreateOp(path, self.member_id, True))
            else:
                offset, _, version = fetched.readings[place]
                operations.append(self._fence.claim(place, self.member_id, offset, version))
        if operations:
            self._keeper.request_all(operations, self._on_claimed, own, fetched, attempt)
        else:
            self._own(own, fetched)

    def _on_claimed(
        self, outcomes: list[Outcome], own: tuple[TopicPartition, ...], fetched: Fetched, attempt: int
    ) -> None:
        """Every one or none. An answer that was lost may have been a claim of one's own: that is looked at."""
        if self._is_over(attempt):
            return
        claims = outcomes[len(outcomes) - len(own):]
        claimed = tuple(place for place, claim in zip(own, claims, strict=True) if claim.result.error is None)
        if self._fence is not None:
            for place, claim in zip(own, claims, strict=True):
                if claim.result.error is None:
                    self._fence.claimed(place, claim.result)
        doubtful = tuple(
            place for place, claim in zip(own, claims, strict=True)
            if claim.resent and claim.result.error == zk.NODEEXISTS)
        if len(claimed) + len(doubtful) < len(own):
            self._release(claimed, self._fail_attempt, attempt)
        elif doubtful:
            self._keeper.request_all(
                [zk.GetDataOp(partition_path(self.group, OWNERS, place)) for place in doubtful], self._on_owners, own,
                claimed, doubtful, fetched, attempt)
        else:
            self._own(own, fetched)

    def _on_owners(
        self, outcomes: list[Outcome], own: tuple[TopicPartition, ...], claimed: tuple[TopicPartition, ...],
        doubtful: tuple[TopicPartition, ...], fetched: Fetched, attempt: int,
    ) -> None:
        if self._is_over(attempt):
            return
        mine = tuple(
            place for place, outcome in zip(doubtful, outcomes, strict=True)
            if outcome.result.value == self.member_id)
        if len(mine) == len(doubtful) and self._fence is None:
            self._own(own, fetched)
        else:
            self._release((*claimed, *mine), self._fail_attempt, attempt)

    def _own(self, own: tuple[TopicPartition, ...], fetched: Fetched) -> None:
        self.assignment = own
        self.positions = {place: max(0, fetched.offsets[place]) for place in own}
        self.committed = {place: fetched.offsets[place] for place in own if fetched.offsets[place] != NO_OFFSET}
        self.joined = True
        self._end()
        waiting, self._waiting = self._waiting, None
        if self.joined and waiting is not None and waiting[0].is_open:
            waiting[1](waiting[0], self)

    # --- the end of an attempt ----------------------------------------------------------------------------------------

    def _fail_attempt(self, attempt: int) -> None:
        self._fail()

    def _fail(self) -> None:
        """Try again after a pause; after so many tries only when something changes, or somebody waits."""
        waits = self._waiting is not None and self._waiting[0].is_open
        if self._tries < self._config.rebalance_max_retries or self._triggered or waits:
            self._client.schedule(self._config.rebalance_backoff_us, self._try_again, self._attempt)
        else:
            self._rebalancing = False

    def _try_again(self, attempt: int) -> None:
        if not self._is_over(attempt):
            self._try()

    def _end(self) -> None:
        """The attempt has come to its end; if anything has changed since it began, the next one begins at once."""
        self._rebalancing = False
        if self._triggered:
            self._rebalance()


def own_range(partitions: int, consumers: list[str], consumer: str) -> range:
    """The partitions of a topic that fall to a consumer: contiguous ranges in the order of the ids, the first ones
    larger by one where it does not divide evenly (RangeAssignor). Nothing for one that is not in the list."""
    if consumer not in consumers:
        return range(0)
    place = consumers.index(consumer)
    each, extra = divmod(partitions, len(consumers))
    begin = each * place + min(place, extra)
    return range(begin, begin + each + (1 if place < extra else 0))
