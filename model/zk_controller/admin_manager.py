"""Administration in ZooKeeper mode: writes of znodes that the controller, or every broker, is told of by a watch
(ZkAdminManager, AdminZkClient, AclAuthorizer).

Topics are created and deleted at the active controller's broker, but not by the controller's thread nor under its epoch
check: the znodes under /brokers/topics and /admin/delete_topics are what the controller acts on. The answer comes when
that has happened, or is REQUEST_TIMED_OUT. Configurations and ACLs may be changed at any broker; a sequential znode
under /config/changes or /kafka-acl-changes tells the others to read them.

Two things are done more carefully than in 3.9, so that no update is lost: the topic's znode and configurations are
written by compare and set, and a deletion is answered when the topic's znode is gone, not when this broker has
forgotten the topic (in between, a creation meets TOPIC_ALREADY_EXISTS).
"""

from typing import Any, Protocol

from fencepost.model import errors
from fencepost.model.config import KafkaConfig
from fencepost.model.controller.configuration_control import is_legal_topic_name, is_valid_config
from fencepost.model.kernel.node import Node
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.controller import AdminResponse
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.admin_changes import (
    added_entry,
    changed_setting,
    more_partitions,
    removed_entry,
    striped,
)
from fencepost.model.zk_controller.controller import ZkController
from fencepost.model.zk_controller.election_events import AdminCallback
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, Outcome
from fencepost.model.zk_controller.metadata_records import offset_of
from fencepost.model.zk_controller.znode_update import ZnodeUpdate

#: How often a topic's creation or deletion is looked at.
POLL_US = 5_000


class TopicView(Protocol):
    """What the process has been told by UpdateMetadata."""

    def has_leaders(self, topic: str, partitions: int) -> bool:
        """Whether that many partitions of the topic have leaders."""


class ZkAdminManager:
    """Carries out the operations of `AdminRequest`; the process has authorised them."""

    def __init__(
        self, node: Node, config: KafkaConfig, client: KafkaZkClient, controller: ZkController, view: TopicView,
    ) -> None:
        self._node = node
        self._config = config
        self._client = client
        self._controller = controller
        self._view = view
        self._stream = node.simulation.streams(f"zk admin {node.node_id}")
        self._operations = {
            "create-topic": self._create_topic, "delete-topic": self._delete_topic,
            "create-partitions": self._create_partitions, "alter-config": self._alter_config,
            "create-acl": self._create_acl, "delete-acl": self._delete_acl,
            "elect-leader": controller.elect_leader, "reassign": controller.reassign,
        }

    def execute(self, operation: str, arguments: dict[str, Any], done: AdminCallback) -> None:
        """Carry an operation out; `done(response)` follows once."""
        handler = self._operations.get(operation)
        if handler is None:
            done(AdminResponse(errors.INVALID_REQUEST))
        elif operation in ("create-topic", "delete-topic", "create-partitions") and not self._controller.is_active:
            done(AdminResponse(errors.NOT_CONTROLLER))
        else:
            handler(arguments, done)

    # --- creating a topic -------------------------------------------------------------------------------------------

    def _create_topic(self, arguments: dict[str, Any], done: AdminCallback) -> None:
        name, configs = arguments["name"], arguments.get("configs") or {}
        if not is_legal_topic_name(name):
            done(AdminResponse(errors.INVALID_TOPIC_EXCEPTION))
        elif not all(is_valid_config("topic", key, str(configs[key])) for key in configs):
            done(AdminResponse(errors.INVALID_CONFIG))
        else:
            reads: list[zk.Operation] = [
                zk.ExistsOp(znodes.topic_path(name)), zk.GetChildrenOp(znodes.BROKER_IDS)]
            self._client.request_all(reads, self._place_topic, arguments, done)

    def _place_topic(self, outcomes: list[Outcome], arguments: dict[str, Any], done: AdminCallback) -> None:
        if outcomes[0].result.error is None:
            done(AdminResponse(errors.TOPIC_ALREADY_EXISTS))
            return
        broker_ids = sorted(int(name) for name in outcomes[1].result.value or ())
        assignments = self._assignments(arguments, broker_ids)
        if isinstance(assignments, str):
            done(AdminResponse(assignments))
            return
        name, configs = arguments["name"], arguments.get("configs") or {}
        topic = znodes.TopicZnode(f"{name}@{self._stream.bits(64):016x}", tuple(enumerate(assignments)))
        entries = znodes.ConfigZnode(tuple((key, str(configs[key])) for key in sorted(configs)))
        ZnodeUpdate(
            self._client, znodes.config_path("topic", name), _replaced, (entries,), self._write_topic,
            (name, topic, done)).run()

    def _assignments(self, arguments: dict[str, Any], broker_ids: list[int]) -> list[tuple[int, ...]] | str:
        """Each partition's replicas, or the error; -1 and absence stand for the defaults."""
        if arguments.get("assignments"):
            chosen = [tuple(replicas) for replicas in arguments["assignments"]]
            valid = all(
                replicas and len(set(replicas)) == len(replicas) and all(r in broker_ids for r in replicas)
                for replicas in chosen)
            return chosen if valid else errors.INVALID_REPLICA_ASSIGNMENT
        partitions, factor = arguments.get("partitions", -1), arguments.get("replication_factor", -1)
        partitions = self._config.num_partitions if partitions == -1 else partitions
        factor = self._config.default_replication_factor if factor == -1 else factor
        if partitions < 1:
            return errors.INVALID_PARTITIONS
        if not 1 <= factor <= len(broker_ids):
            return errors.INVALID_REPLICATION_FACTOR
        return striped(broker_ids, partitions, factor, self._stream)

    def _write_topic(
        self, error: str | None, zxid: int, name: str, topic: znodes.TopicZnode, done: AdminCallback
    ) -> None:
        if error is not None:
            done(AdminResponse(errors.UNKNOWN_SERVER_ERROR))
        else:
            create = zk.CreateOp(znodes.topic_path(name), topic)
            self._client.request_all([create], self._on_topic_written, name, topic, done)

    def _on_topic_written(
        self, outcomes: list[Outcome], name: str, topic: znodes.TopicZnode, done: AdminCallback
    ) -> None:
        result = outcomes[0].result
        if result.error == zk.NODEEXISTS and outcomes[0].resent:
            self._client.request_all(
                [zk.GetDataOp(znodes.topic_path(name))], self._recognise_topic, name, topic, done)
        elif result.error == zk.NODEEXISTS:
            done(AdminResponse(errors.TOPIC_ALREADY_EXISTS))
        elif result.error is not None:
            done(AdminResponse(errors.UNKNOWN_SERVER_ERROR))
        else:
            zxid = -1 if result.stat is None else result.stat.mzxid
            self._await_leaders(name, topic.topic_id, len(topic.replicas), zxid, self._deadline_us(), done)

    def _recognise_topic(
        self, outcomes: list[Outcome], name: str, topic: znodes.TopicZnode, done: AdminCallback
    ) -> None:
        """The lost attempt has created it, if it bears the id that was drawn."""
        found = outcomes[0].result.value
        if found is not None and found.topic_id == topic.topic_id:
            self._await_leaders(name, topic.topic_id, len(topic.replicas), -1, self._deadline_us(), done)
        else:
            done(AdminResponse(errors.TOPIC_ALREADY_EXISTS))

    def _await_leaders(
        self, name: str, topic_id: str, partitions: int, zxid: int, deadline_us: int, done: AdminCallback
    ) -> None:
        if self._view.has_leaders(name, partitions):
            done(_succeeded(topic_id, zxid))
        elif self._node.now_us >= deadline_us:
            done(AdminResponse(errors.REQUEST_TIMED_OUT))
        else:
            self._node.schedule(POLL_US, self._await_leaders, name, topic_id, partitions, zxid, deadline_us, done)

    def _deadline_us(self) -> int:
        return self._node.now_us + self._config.controller_socket_timeout_us // 2

    # --- more partitions, deletion ----------------------------------------------------------------------------------

    def _create_partitions(self, arguments: dict[str, Any], done: AdminCallback) -> None:
        self._client.request_all([zk.GetChildrenOp(znodes.BROKER_IDS)], self._add_partitions, arguments, done)

    def _add_partitions(self, outcomes: list[Outcome], arguments: dict[str, Any], done: AdminCallback) -> None:
        broker_ids = sorted(int(name) for name in outcomes[0].result.value or ())
        name, found = arguments["name"], {"error": errors.UNKNOWN_TOPIC_OR_PARTITION, "topic_id": ""}
        ZnodeUpdate(
            self._client, znodes.topic_path(name), more_partitions,
            (arguments["count"], broker_ids, self._stream, found), self._on_partitions_added,
            (name, arguments["count"], found, done)).run()

    def _on_partitions_added(
        self, error: str | None, zxid: int, name: str, count: int, found: dict[str, str], done: AdminCallback,
    ) -> None:
        if error is not None:
            done(AdminResponse(errors.UNKNOWN_SERVER_ERROR))
        elif found["error"]:
            done(AdminResponse(found["error"]))
        else:
            self._await_leaders(name, found["topic_id"], count, zxid, self._deadline_us(), done)

    def _delete_topic(self, arguments: dict[str, Any], done: AdminCallback) -> None:
        name = arguments["name"]
        self._client.request_all([zk.GetDataOp(znodes.topic_path(name))], self._request_deletion, name, done)

    def _request_deletion(self, outcomes: list[Outcome], name: str, done: AdminCallback) -> None:
        if outcomes[0].result.value is None:
            done(AdminResponse(errors.UNKNOWN_TOPIC_OR_PARTITION))
            return
        topic_id = outcomes[0].result.value.topic_id
        create = zk.CreateOp(znodes.delete_topic_path(name), None)
        self._client.request_all([create], self._on_deletion_requested, name, topic_id, done)

    def _on_deletion_requested(
        self, outcomes: list[Outcome], name: str, topic_id: str, done: AdminCallback
    ) -> None:
        """A deletion that is under way already is waited for as well."""
        if outcomes[0].result.error not in (None, zk.NODEEXISTS):
            done(AdminResponse(errors.UNKNOWN_SERVER_ERROR))
        else:
            self._await_deletion(name, topic_id, self._deadline_us(), done)

    def _await_deletion(self, name: str, topic_id: str, deadline_us: int, done: AdminCallback) -> None:
        self._client.request_all(
            [zk.GetDataOp(znodes.topic_path(name))], self._check_deletion, name, topic_id, deadline_us, done)

    def _check_deletion(
        self, outcomes: list[Outcome], name: str, topic_id: str, deadline_us: int, done: AdminCallback
    ) -> None:
        result = outcomes[0].result
        if result.error == zk.NONODE or (result.value is not None and result.value.topic_id != topic_id):
            done(AdminResponse(None, {"topic_id": topic_id}))
        elif self._node.now_us >= deadline_us:
            done(AdminResponse(errors.REQUEST_TIMED_OUT))
        else:
            self._node.schedule(POLL_US, self._await_deletion, name, topic_id, deadline_us, done)

    # --- configurations and ACLs ------------------------------------------------------------------------------------

    def _alter_config(self, arguments: dict[str, Any], done: AdminCallback) -> None:
        kind, name = arguments["resource_type"], str(arguments["resource_name"])
        key, value = arguments["key"], arguments["value"]
        if kind not in ("topic", "broker"):
            done(AdminResponse(errors.INVALID_REQUEST))
        elif value is not None and not is_valid_config(kind, key, str(value)):
            done(AdminResponse(errors.INVALID_CONFIG))
        elif name == "":
            self._update_config([], kind, name, key, value, done)
        else:
            path = znodes.topic_path(name) if kind == "topic" else znodes.broker_path(int(name))
            self._client.request_all([zk.ExistsOp(path)], self._update_config, kind, name, key, value, done)

    def _update_config(
        self, outcomes: list[Outcome], kind: str, name: str, key: str, value: str | None, done: AdminCallback,
    ) -> None:
        if outcomes and outcomes[0].result.error is not None:
            missing = errors.UNKNOWN_TOPIC_OR_PARTITION if kind == "topic" else errors.BROKER_ID_NOT_REGISTERED
            done(AdminResponse(missing))
            return
        change = znodes.ConfigChangeZnode(f"{kind}s/{name or znodes.DEFAULT_ENTITY}")
        ZnodeUpdate(
            self._client, znodes.config_path(kind, name), changed_setting, (key, value), self._notify,
            (f"{znodes.CONFIG_CHANGES}/config_change_", change, done)).run()

    def _create_acl(self, arguments: dict[str, Any], done: AdminCallback) -> None:
        self._update_acl(arguments, added_entry, done)

    def _delete_acl(self, arguments: dict[str, Any], done: AdminCallback) -> None:
        self._update_acl(arguments, removed_entry, done)

    def _update_acl(self, arguments: dict[str, Any], change: Any, done: AdminCallback) -> None:
        kind, name = arguments["resource_type"], arguments["resource_name"]
        entry = (arguments["principal"], arguments["operation"], arguments["permission"])
        ZnodeUpdate(
            self._client, znodes.acl_path(kind, name), change, (entry,), self._notify,
            (f"{znodes.ACL_CHANGES}/acl_changes_", znodes.AclChangeZnode(kind, name), done)).run()

    def _notify(self, error: str | None, zxid: int, prefix: str, data: Any, done: AdminCallback) -> None:
        """The change is written; a notification makes the brokers read it."""
        if error is not None:
            done(AdminResponse(errors.UNKNOWN_SERVER_ERROR))
        else:
            self._client.request_all([zk.CreateOp(prefix, data, sequential=True)], self._on_notified, zxid, done)

    def _on_notified(self, outcomes: list[Outcome], zxid: int, done: AdminCallback) -> None:
        error = errors.UNKNOWN_SERVER_ERROR if outcomes[0].result.error is not None else None
        done(AdminResponse(error) if error else _succeeded(None, zxid))


def _replaced(present: Any, wanted: Any) -> Any:
    return wanted


def _succeeded(topic_id: str | None, zxid: int) -> AdminResponse:
    result = {} if topic_id is None else {"topic_id": topic_id}
    return AdminResponse(None, result, offset_of(zxid) if zxid >= 0 else -1)
