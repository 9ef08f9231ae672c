"""Between a topic's znode and the controller's assignments (TopicZNode); topic ids."""

from fencepost.model.zk_controller.context import ReplicaAssignment
from fencepost.model.zk_controller.znodes import TopicZnode


def encode_assignments(topic_id: str, assignments: dict[int, ReplicaAssignment]) -> TopicZnode:
    """The znode's data."""
    ordered = sorted(assignments.items())
    return TopicZnode(
        topic_id, tuple((partition, each.replicas) for partition, each in ordered),
        tuple((partition, each.adding) for partition, each in ordered if each.adding),
        tuple((partition, each.removing) for partition, each in ordered if each.removing))


def decode_assignments(znode: TopicZnode) -> dict[int, ReplicaAssignment]:
    """Partition -> replicas."""
    adding, removing = dict(znode.adding), dict(znode.removing)
    return {
        partition: ReplicaAssignment(replicas, adding.get(partition, ()), removing.get(partition, ()))
        for partition, replicas in znode.replicas
    }


def topic_of(topic_id: str) -> str:
    """The topic's name, with which ids begin in the model ("orders@1f3a")."""
    return topic_id.rpartition("@")[0]
