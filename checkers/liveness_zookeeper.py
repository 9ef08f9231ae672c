"""Liveness of ZooKeeper mode: the rules of `liveness`, asked of what that mode has in the quorum's place.

- *EventuallyLeaderElected*: one server of the ensemble leads, and all others follow it in its epoch.
- *ControllerAvailability*: one broker is the active controller, under the highest epoch that was ever won.
- *EventuallyMetadataConverges*: every broker was told of each partition's leader, epochs and ISR as they are committed.
- *LiveBrokerEventuallyRegistered*: every broker runs and is registered under the broker epoch that it acts under.
  Example: a broker takes its last session's znode for its own and vanishes when that session runs out (KAFKA-7165).
"""

from typing import Any

from fencepost.checkers.liveness import CONTROLLER, GRACE_US, LEADER_ELECTED, METADATA, Liveness, topic_of
from fencepost.checkers.metadata_view import Changes, PartitionState
from fencepost.checkers.outside import OUTSIDE
from fencepost.histories.event import Event

REGISTERED = "LiveBrokerEventuallyRegistered"


class ZkLiveness(Liveness):
    """Checks the rules: constant time per event, and once through the final state."""

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        self._servers: tuple[int, ...] = tuple(header.get("zookeepers") or ())
        #: partition -> when it changed last
        self._changed_us: dict[str, int] = {}

    def note_changes(self, event: Event, changes: Changes) -> None:
        """Remember when, too."""
        super().note_changes(event, changes)
        self._changed_us.update((change.partition, event.time_us) for change in changes.partitions)

    def _check_quorum(self, event: Event, states: dict[int, dict[str, Any]]) -> None:
        servers = self._outside.within(self._servers)
        peers = {server: states.get(server, {}).get("zookeeper") or {} for server in servers}
        leaders = [server for server, peer in peers.items() if peer.get("state") == "leading"]
        epoch = peers[leaders[0]].get("current_epoch") if len(leaders) == 1 else None
        astray = [
            f"{server} ({peer.get('state', 'not running')}, epoch {peer.get('current_epoch')})"
            for server, peer in peers.items()
            if peer.get("state") not in ("leading", "following") or peer.get("current_epoch") != epoch]
        if peers and astray:
            known = f"server {leaders[0]} leads" if len(leaders) == 1 else f"the servers {leaders} lead"
            self._late(LEADER_ELECTED, f"{known} the ensemble, and these do not follow: {', '.join(astray)}", event)
        self._check_controller(event, states)

    def _check_controller(self, event: Event, states: dict[int, dict[str, Any]]) -> None:
        newest = max((epoch for epoch, _ in self._claims.values()), default=-1)
        active = {
            broker: states[broker]["controller"]["controller_epoch"] for broker in self._brokers
            if (states.get(broker, {}).get("controller") or {}).get("active")}
        if list(active.values()) != [newest]:
            self._late(CONTROLLER, f"the brokers {sorted(active)} are active controllers, under the epochs "
                       f"{sorted(active.values())}; the highest epoch that was won is {newest}", event)

    def _check_metadata(self, event: Event, states: dict[int, dict[str, Any]]) -> None:
        for broker in self._brokers:
            cache = (states.get(broker, {}).get("broker") or {}).get("cache")
            if cache is None:
                continue
            for identity, partition in sorted(self._view.partitions.items()):
                if self._changed_us.get(identity, 0) > event.time_us - GRACE_US:
                    continue
                wanted = (partition.leader, partition.leader_epoch, partition.partition_epoch, list(partition.isr))
                told = cache["partitions"].get(identity) or {}
                known = (told.get("leader"), told.get("leader_epoch"), told.get("partition_epoch"), told.get("isr"))
                if known == wanted:
                    continue
                # Nobody is told of a topic that is to be deleted.
                why = self._why_not_deleted(identity)
                if why is not None:
                    name = identity.partition("/")[0]
                    words = f"broker {broker} knows {known} of {name}, not {wanted}: {why}"
                    self.excuse(METADATA, OUTSIDE, words, event)
                else:
                    self._late(METADATA, f"broker {broker} was told {known} of {identity.partition('/')[0]} (leader, "
                               f"leader epoch, partition epoch, ISR), which has been {wanted} for long", event, broker,
                               (self._changed.get(identity, event.index),), identity.partition("/")[0])

    def _why_not_deleted(self, identity: str) -> str | None:
        """Why the partition's topic, which was to be deleted, is still there, or None."""
        topic_id = identity.partition("/")[2]
        replicas = [replica for other, state in self._view.partitions.items() if other.partition("/")[2] == topic_id
                    for replica in state.replicas]
        return self._outside.why_not_deleted(replicas, topic_of(identity), self._created_us.get(identity, 0))

    def _why_without_leader(self, identity: str, state: PartitionState) -> str | None:
        """As elsewhere; a topic that is being deleted has no leaders."""
        return super()._why_without_leader(identity, state) or self._why_not_deleted(identity)

    def _check_brokers(self, event: Event, states: dict[int, dict[str, Any]]) -> None:
        for broker in self._brokers:
            state = states.get(broker, {}).get("broker")
            registered = self._view.brokers.get(broker)
            index = self._changed.get(broker, event.index)
            if state is None:
                self._late(REGISTERED, f"broker {broker} does not run", event, broker)
            elif state["state"] != "RUNNING":
                self._late(REGISTERED, f"broker {broker} is still in state {state['state']}", event, broker, (index,))
            elif registered is None:
                self._late(REGISTERED, f"broker {broker} runs and is not in /brokers/ids", event, broker, (index,))
            elif state["broker_epoch"] != registered.broker_epoch:
                self._late(REGISTERED, f"broker {broker} acts under broker epoch {state['broker_epoch']}, but "
                           f"{registered.broker_epoch} is registered", event, broker, (index,))
