"""What a broker was told of the cluster (ZkMetadataCache): live brokers and partitions by UpdateMetadata,
configurations and ACLs as read from ZooKeeper.

It is no image at an offset: two brokers may know different things in any order, and partitions of one topic may come
one by one. Brokers in it are alive, which is all that is known of them: their epochs are not.
"""

from typing import Any

from fencepost.model.metadata.image import BrokerRegistration, MetadataImage, PartitionRegistration, Undo
from fencepost.model.metadata.records import NO_LEADER
from fencepost.model.protocol.zk_controller import PartitionState, UpdateMetadataRequest
from fencepost.model.zk_controller.metadata_records import offset_of
from fencepost.model.zk_controller.request_batch import LEADER_DURING_DELETE
from fencepost.model.zk_controller.znodes import AclZnode, ConfigZnode

#: A partition of which nothing was told yet.
_UNTOLD = PartitionRegistration((), (), (), (), NO_LEADER, -1, -1, "RECOVERED", (), ())


def registration(state: PartitionState) -> PartitionRegistration:
    """A partition's state as the data plane knows it."""
    return PartitionRegistration(
        state.replicas, state.isr, state.adding_replicas, state.removing_replicas, state.leader, state.leader_epoch,
        state.partition_epoch, state.leader_recovery_state, (), ())


class MetadataCache(MetadataImage):
    """The image that the shared parts of a broker read. controller_id: of the last UpdateMetadata, -1 before."""

    __slots__ = ("_acls_offsets", "controller_id")

    def __init__(self) -> None:
        super().__init__()
        self.controller_id = -1
        self._acls_offsets: dict[tuple[str, str], int] = {}

    @property
    def leader_id(self) -> int | None:
        """The controller, for `ControllerLocator`."""
        return None if self.controller_id < 0 else self.controller_id

    def has_leaders(self, topic: str, partitions: int) -> bool:
        """Whether that many partitions of the topic have leaders."""
        topic_id = self.topics.get(topic)
        if topic_id is None:
            return False
        known = self.topic_partitions(topic_id)
        return len(known) >= partitions and all(partition.leader >= 0 for partition in known[:partitions])

    def topic_partitions(self, topic_id: str) -> list[PartitionRegistration]:
        """A topic's partitions by index; those not told of yet have no leader."""
        count = self.partition_counts.get(topic_id, 0)
        return [self.partitions.get((topic_id, index), _UNTOLD) for index in range(count)]

    def acls_offset(self, resource_type: str, resource_name: str) -> int:
        """After the transaction that wrote the resource's ACLs as they were read."""
        return self._acls_offsets.get((resource_type, resource_name), 0)

    def _set(self, table: str, key: Any, value: Any, undo: list[Undo] | None) -> None:
        """As in the image, but nobody compares caches by their digests or asks what has changed."""
        rows = getattr(self, table)
        if value is None:
            rows.pop(key, None)
        else:
            rows[key] = value

    # --- UpdateMetadata -----------------------------------------------------------------------------------------------

    def update(self, request: UpdateMetadataRequest) -> list[str]:
        """Take over what the request says; the names of topics that are gone."""
        self.controller_id = request.controller_id
        for broker_id in [broker_id for broker_id in self.brokers if broker_id not in request.live_brokers]:
            self._set("brokers", broker_id, None, None)
        for broker_id in request.live_brokers:
            if broker_id not in self.brokers:
                self._set("brokers", broker_id, BrokerRegistration(broker_id, "", -1, -1, False, False), None)
        gone: dict[str, None] = {}
        for state in request.partitions:
            if state.leader == LEADER_DURING_DELETE:
                self._forget_partition(state, gone)
            else:
                self._tell_partition(state)
        return list(gone)

    def _tell_partition(self, state: PartitionState) -> None:
        known = self.topics.get(state.topic)
        if known is not None and known != state.topic_id:
            self._forget_topic(state.topic, known)
        if self.topics.get(state.topic) is None:
            self._set("topics", state.topic, state.topic_id, None)
            self._set("topic_names", state.topic_id, state.topic, None)
        count = max(self.partition_counts.get(state.topic_id, 0), state.partition + 1)
        self._set("partition_counts", state.topic_id, count, None)
        self._set("partitions", (state.topic_id, state.partition), registration(state), None)

    def _forget_partition(self, state: PartitionState, gone: dict[str, None]) -> None:
        topic_id = self.topics.get(state.topic)
        if topic_id is None:
            return
        self._set("partitions", (topic_id, state.partition), None, None)
        count = self.partition_counts.get(topic_id, 0)
        if not any((topic_id, index) in self.partitions for index in range(count)):
            self._forget_topic(state.topic, topic_id)
            self.set_config("topic", state.topic, None)
            gone[state.topic] = None

    def _forget_topic(self, topic: str, topic_id: str) -> None:
        for index in range(self.partition_counts.get(topic_id, 0)):
            self._set("partitions", (topic_id, index), None, None)
        self._set("partition_counts", topic_id, None, None)
        self._set("topic_names", topic_id, None, None)
        self._set("topics", topic, None, None)

    # --- what was read from ZooKeeper ---------------------------------------------------------------------------------

    def set_config(self, resource_type: str, resource_name: str, znode: ConfigZnode | None) -> None:
        """The resource's configuration is this; None: there is none."""
        entries = {} if znode is None else dict(znode.entries)
        resource = (resource_type, resource_name)
        for key in [key for key in self.configs if key[:2] == resource and key[2] not in entries]:
            self._set("configs", key, None, None)
        for name, value in entries.items():
            self._set("configs", (*resource, name), value, None)

    def set_acls(self, resource_type: str, resource_name: str, znode: AclZnode | None, zxid: int) -> None:
        """The resource's ACLs are these, written by the transaction `zxid`; None: there are none."""
        resource = (resource_type, resource_name)
        entries = () if znode is None else tuple((*entry, *resource) for entry in znode.entries)
        for acl in [acl for acl in self.acls if acl[3:] == resource and acl not in entries]:
            self._set("acls", acl, None, None)
        for acl in entries:
            self._set("acls", acl, True, None)
        self._acls_offsets[resource] = offset_of(zxid + 1)
