"""One consumer of a group that keeps itself in ZooKeeper (ZookeeperConsumerConnector of Kafka 0.8.2).

There is no coordinator and no generation: every consumer registers under /consumers/<group>/ids, watches that list and
the topics, and at each change works out for itself which partitions are its own (`rebalance`). Where another still
holds one, it tries again after a pause, a limited number of times; then it owns nothing until something changes or the
application asks again.

When its session expires others take over; the consumer learns of that only when it reaches a server again. Then it
registers in a new session and begins with nothing. Until then it goes on as it was, and commits.

With `fencepost.offsets.zookeeper.fencing` its claims fence former owners (`fencing`), as no Kafka ever did.

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
from fencepost.model.zk_client.rebalance import Places, RebalanceAttempt
from fencepost.model.zk_client.stored_offsets import Fetched, StoredOffsets
from fencepost.model.zk_client.znodes import IDS, OWNERS, consumer_path, group_path, parents_of
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
        self.assignment: Places = ()
        self.positions: dict[TopicPartition, int] = {}
        self.committed: dict[TopicPartition, int] = {}
        self.joined = False
        self._waiting: tuple[Operation, Callable[..., None]] | None = None
        self._closed = False
        self._registered = self._triggered = self._lacks_brokers = False
        #: sessions begun: an answer in an earlier one is not looked at
        self._sessions = 0
        self._attempt: RebalanceAttempt | None = None
        self._tries = 0
        self._keeper = client.make_keeper()
        self._keeper.session_listeners.append(self)
        self._keeper.child_handlers[group_path(group, IDS)] = self._on_change
        self._keeper.child_handlers[BROKER_IDS] = self._on_brokers_change
        for topic in topics:
            self._keeper.change_handlers[topic_path(topic)] = self._on_change
        self._znodes = OffsetZnodes(self._keeper, group)
        self._fence = OffsetFence(self._keeper, group) if self._config.offset_fencing else None
        self._offsets = StoredOffsets(client, self._znodes, group)
        self._keeper.start()
        self._register(self._sessions)

    def close(self, leave: bool) -> None:
        """The consumer ends: in order, and its znodes with it, or as by a crash, and they stay for a while."""
        self._closed = True
        self._waiting = None
        self._give_up_attempt()
        self._znodes.stop()
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
        if self._registered and self._attempt is None:
            # The application has caught ConsumerRebalanceFailedException, and tries once more.
            self._rebalance()

    def write_offsets(self, offsets: dict[TopicPartition, int], then: Callable[..., None], *args: Any) -> None:
        """Write them to ZooKeeper; `then({place: zxid}, error or None, *args)` follows."""
        if self._fence is None:
            self._znodes.write(offsets, then, None, *args)
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
            self._sessions += 1
            self._give_up_attempt()
            self.on_release()
            self._registered = False
            self._register(self._sessions)

    def _register(self, session: int) -> None:
        if session != self._sessions or self._closed:
            return
        path = consumer_path(self.group, self.member_id)
        operations: list[zk.Operation] = [zk.CreateOp(parent, None) for parent in parents_of(path)]
        operations += [zk.CreateOp(group_path(self.group, OWNERS), None), zk.CreateOp(path, self.topics, True)]
        self._keeper.request_all(operations, self._on_registered, session)

    def _on_registered(self, outcomes: list[Outcome], session: int) -> None:
        """Its own last session's znode may still be there: it waits until that is gone (ZKCheckedEphemeral)."""
        result = outcomes[-1].result
        if result.error == zk.NODEEXISTS:
            self._keeper.request_all(
                [zk.ExistsOp(consumer_path(self.group, self.member_id))], self._on_found_registered, session)
        elif result.error is not None:
            self._register_later(session)
        else:
            self._begin(session)

    def _on_found_registered(self, outcomes: list[Outcome], session: int) -> None:
        stat = outcomes[0].result.stat
        if stat is not None and stat.ephemeral_owner == self._keeper.session_id:
            self._begin(session)
        else:
            self._register_later(session)

    def _register_later(self, session: int) -> None:
        self._client.schedule(self._config.rebalance_backoff_us, self._register, session)

    def _begin(self, session: int) -> None:
        if session == self._sessions and not self._closed:
            self._registered = True
            self._rebalance()

    def _on_change(self, event: zk.WatchEvent) -> None:
        """The consumers of the group, or the partitions of a topic, have changed."""
        self._triggered = True
        if self._registered and self._attempt is None:
            self._rebalance()

    def _on_brokers_change(self, event: zk.WatchEvent) -> None:
        """Brokers matter only when there were none."""
        if self._lacks_brokers:
            self._on_change(event)

    # --- rebalancing --------------------------------------------------------------------------------------------------

    def _rebalance(self) -> None:
        self._tries = 0
        self._try()

    def _try(self) -> None:
        self._tries += 1
        self._triggered = self._lacks_brokers = self.joined = False
        self._attempt = RebalanceAttempt(
            self, self._keeper, self._offsets, self._fence, self.assignment, self._client.principal)
        self._attempt.begin()

    def _give_up_attempt(self) -> None:
        if self._attempt is not None:
            self._attempt.cancel()
            self._attempt = None

    def on_release(self) -> None:
        """See `AttemptOwner`: what it does not own it does not commit."""
        self.assignment, self.positions, self.committed = (), {}, {}
        self.joined = False

    def on_owned(self, own: Places, fetched: Fetched) -> None:
        """See `AttemptOwner`."""
        self.assignment = own
        self.positions = {place: max(0, fetched.offsets[place]) for place in own}
        self.committed = {place: fetched.offsets[place] for place in own if fetched.offsets[place] != NO_OFFSET}
        self.joined = True
        self._end()
        waiting, self._waiting = (self._waiting, None) if self.joined else (None, self._waiting)
        if waiting is not None and waiting[0].is_open:
            waiting[1](waiting[0], self)

    def on_no_brokers(self) -> None:
        """See `AttemptOwner`."""
        self._lacks_brokers = True
        self._end()

    def on_failed(self) -> None:
        """Try again after a pause; after so many tries only if something changes, or somebody waits."""
        waits = self._waiting is not None and self._waiting[0].is_open
        if self._tries < self._config.rebalance_max_retries or self._triggered or waits:
            self._client.schedule(self._config.rebalance_backoff_us, self._try_again, self._attempt)
        else:
            self._attempt = None

    def _try_again(self, attempt: RebalanceAttempt) -> None:
        if attempt is self._attempt:
            self._try()

    def _end(self) -> None:
        """The attempt has come to its end; if anything has changed since it began, the next one begins at once."""
        self._attempt = None
        if self._triggered:
            self._rebalance()
