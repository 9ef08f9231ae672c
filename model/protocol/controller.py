"""Messages between brokers and the active controller, and the administration that brokers forward to it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class BrokerRegistrationRequest:
    """BrokerRegistration (62). `incarnation_id` is drawn anew by each broker process."""

    broker_id: int
    incarnation_id: str
    previous_broker_epoch: int = -1


@dataclass(slots=True)
class BrokerRegistrationResponse:
    """`broker_epoch` is the offset of the registration's batch."""

    error: str | None
    broker_epoch: int = -1


@dataclass(slots=True)
class BrokerHeartbeatRequest:
    """BrokerHeartbeat (63)."""

    broker_id: int
    broker_epoch: int
    current_metadata_offset: int
    want_fence: bool
    want_shut_down: bool


@dataclass(slots=True)
class BrokerHeartbeatResponse:
    """What the controller made of it."""

    error: str | None
    is_caught_up: bool = False
    is_fenced: bool = True
    should_shut_down: bool = False


@dataclass(slots=True)
class AlterPartitionRequest:
    """AlterPartition (56), for one partition. `new_isr` is ((broker id, broker epoch or -1), ...)."""

    broker_id: int
    broker_epoch: int
    topic_id: str
    partition: int
    leader_epoch: int
    partition_epoch: int
    new_isr: tuple[tuple[int, int], ...]
    leader_recovery_state: str = "RECOVERED"


@dataclass(slots=True)
class AlterPartitionResponse:
    """The partition as the controller has it after the change, or why there was none."""

    error: str | None
    leader_id: int = -1
    leader_epoch: int = -1
    isr: tuple[int, ...] = ()
    partition_epoch: int = -1


@dataclass(slots=True)
class AllocateProducerIdsRequest:
    """AllocateProducerIds (67): a block of producer ids for a broker."""

    broker_id: int
    broker_epoch: int


@dataclass(slots=True)
class AllocateProducerIdsResponse:
    """`producer_id_start` and the number of ids that follow it."""

    error: str | None
    producer_id_start: int = -1
    producer_id_length: int = 0


@dataclass(slots=True)
class AdminRequest:
    """An administration request. Clients send it to any broker, which authorises it and forwards it in an envelope to
    the active controller (KIP-590), or to a controller directly.

    operation and arguments (all keyword-like data):
        create-topic       {name, partitions, replication_factor, configs: {name: value}, [assignments: [[id, ...],
        ...]]}
        delete-topic       {name}
        create-partitions  {name, count}
        alter-config       {resource_type: "topic"|"broker", resource_name, key, value}   value None deletes
        create-acl         {principal, operation, permission: "ALLOW"|"DENY",
                            resource_type: "topic"|"group"|"cluster", resource_name}
        delete-acl         {principal, operation, permission, resource_type, resource_name}
        elect-leader       {topic, partition, election_type: "preferred"|"unclean"}
        reassign           {topic, partition, replicas: [id, ...] or None to cancel}
    """

    operation: str
    arguments: dict[str, Any]
    principal: str = "User:admin"


@dataclass(slots=True)
class AdminResponse:
    """`result` is data, for instance {"topic_id": ...}; `offset` is the metadata offset after the change, or -1."""

    error: str | None
    result: dict[str, Any] = field(default_factory=dict)
    offset: int = -1


@dataclass(slots=True)
class EnvelopeRequest:
    """Envelope (58): a broker forwards an `AdminRequest` for a principal that it has authorised."""

    broker_id: int
    request: AdminRequest
