"""The vocabulary: what each operation, observation and fault in a history means, and which facts it carries.

`OBSERVATIONS`, `OPERATIONS` and their fields are the contract between those who write histories (the simulated cluster,
harnesses of real clusters) and the checkers, which know nothing else. Offsets that end a range are exclusive.
A topic-partition key is `topic-index` ("orders-0"), under which `value.topic_id` tells incarnations of a name apart.
"""

#: observation -> (what its key is, the facts in `value`, the epochs, what it says)
OBSERVATIONS: dict[str, tuple[str, str, str, str]] = {
    # --- processes and disks
    "node-started": (
        "",
        "",
        "incarnation",
        "A process started.",
    ),
    "node-stopped": (
        "",
        "how: kill | shutdown | power-loss",
        "",
        "A process ended.",
    ),
    "node-paused": (
        "",
        "",
        "",
        "A process stopped handling anything (GC, SIGSTOP).",
    ),
    "node-resumed": (
        "",
        "",
        "",
        "A paused process goes on.",
    ),
    "disk-lost": (
        "the file: a topic-partition, `__cluster_metadata-0`, `quorum-state`, `zookeeper-log`, `zookeeper-snapshot`, "
        "`zookeeper-accepted-epoch`, `zookeeper-current-epoch`",
        "from_offset, end_offset of the lost tail (logs); lost, kept (small files); topic_id for partitions' logs "
        "is in the file's name after a slash: `orders-0/<topic id>`",
        "",
        "The power failed, or the disk, and this, not yet synced, is gone. `wiped: true`: what had been synced is gone "
        "as well, for the disk was replaced or a checksum does not fit. `torn: true`: only the last write is gone, of "
        "which half was written. `damaged: true`: recovery cut the log at a record whose checksum does not fit. "
        "failure: as in `disk-failed`.",
    ),
    "disk-failed": (
        "the file, as in `disk-lost`, or `log directory`",
        "failure: full | broken",
        "",
        "A write failed (IOException): the process ends, as Kafka's and ZooKeeper's do.",
    ),
    # --- the Raft quorum
    "raft-state": (
        "",
        "state: leader | follower | candidate | prospective | unattached | resigned, leader, voted, voter: bool "
        "(false for observers)",
        "leader_epoch",
        "A replica entered a state of its quorum.",
    ),
    "raft-vote-granted": (
        "",
        "candidate",
        "leader_epoch",
        "A voter answered a real (not a pre-) vote with yes, or a candidate voted for itself.",
    ),
    "raft-append": (
        "",
        "base_offset, end_offset, entries: [[base_offset, epoch, digest, records], ...] one a batch; records is a "
        "number",
        "leader_epoch (the replica's)",
        "A VOTER wrote batches to its log (as leader or follower).",
    ),
    "raft-truncate": (
        "",
        "end_offset (kept), old_end_offset, high_watermark (or null)",
        "leader_epoch",
        "A voter cut its log.",
    ),
    "raft-high-watermark": (
        "",
        "high_watermark, state, synced_end_offset (its own durable end)",
        "leader_epoch",
        "A voter's high watermark changed.",
    ),
    "raft-fetch": (
        "",
        "replica",
        "leader_epoch",
        "A leader had a valid fetch or served a snapshot chunk from this voter; at most one each half fetch "
        "time-out for each voter.",
    ),
    "raft-snapshot-created": (
        "",
        "end_offset, epoch, digest (image), log_start_offset",
        "",
        "A snapshot was written.",
    ),
    "raft-snapshot-loaded": (
        "",
        "end_offset, epoch, digest (image), state",
        "leader_epoch",
        "A replica's state machine loaded a snapshot; state is the replica's.",
    ),
    "raft-log-start": (
        "",
        "log_start_offset, earliest_snapshot_end_offset",
        "",
        "The log's beginning was deleted.",
    ),
    "raft-fatal": (
        "",
        "reason (in words)",
        "leader_epoch",
        "A replica met what cannot be in a correct quorum; as in Kafka, its process ends.",
    ),
    # --- the controller
    "controller-fatal": (
        "",
        "reason (in words)",
        "leader_epoch (of its replica)",
        "A controller met what cannot be in a correct quorum; as in Kafka, its process ends.",
    ),
    "controller-claimed": (
        "",
        "next_offset, epoch_start_offset",
        "controller_epoch",
        "A QuorumController became active.",
    ),
    "controller-renounced": (
        "",
        "reverted_to (offset)",
        "controller_epoch",
        "A QuorumController is no longer active.",
    ),
    "metadata-write": (
        "",
        "base_offset, end_offset, records: [[type, {field: value}], ...]; NoOp-only batches are left out",
        "controller_epoch",
        "The active controller appended records.",
    ),
    "metadata-applied": (
        "",
        "end_offset (exclusive), digest of the image, role: controller | broker; controllers also: records "
        "[[offset, type, {field: value}], ...]; left out for batches without a real record",
        "leader_epoch (of the batch)",
        "A node applied committed metadata up to an offset.",
    ),
    "alter-partition": (
        "topic-partition",
        "topic_id, broker (the sender), isr, broker_epochs; unchanged: true where the partition was so already",
        "leader_epoch, partition_epoch, broker_epoch (of the request), current_leader_epoch, "
        "current_partition_epoch, current_broker_epoch (the controller's, before)",
        "The controller accepted (no error) or refused a change of an ISR.",
    ),
    "broker-registration": (
        "",
        "broker, incarnation_id, previous_incarnation_id, previous_fenced",
        "broker_epoch, previous_broker_epoch",
        "The controller accepted a registration, or refused it with the error.",
    ),
    "controller-ready": (
        "",
        "brokers: [id, ...], topics, partitions (how many)",
        "controller_epoch",
        "ZooKeeper mode: a controller has read everything and elected where nobody led.",
    ),
    "control-request": (
        "",
        "request: LeaderAndIsr | UpdateMetadata | StopReplica, to",
        "controller_epoch, broker_epoch (of the incarnation that it is meant for)",
        "ZooKeeper mode: a controller sends a request to a broker, or sends it again.",
    ),
    "broker-list": (
        "",
        "brokers: [[id, broker epoch], ...], dead: [id, ...], bounced: [id, ...] (treated as failed and started)",
        "controller_epoch",
        "ZooKeeper mode: a controller has read which brokers are registered.",
    ),
    "broker-registered": (
        "",
        "incarnation_id, session (its own), owner (the session that holds the znode)",
        "broker_epoch",
        "ZooKeeper mode: a broker takes itself for registered in /brokers/ids.",
    ),
    "broker-heartbeat": (
        "",
        "broker",
        "broker_epoch (of the request), current_broker_epoch",
        "The controller accepted (no error) or refused a heartbeat whose epoch is not the current one.",
    ),
    # --- brokers
    "broker-state": (
        "",
        "state: STARTING | RECOVERY | RUNNING | PENDING_CONTROLLED_SHUTDOWN | SHUTTING_DOWN, incarnation_id",
        "broker_epoch",
        "A broker's life cycle.",
    ),
    "leader-start": (
        "topic-partition",
        "topic_id, isr, replicas, epoch_start_offset, high_watermark, end_offset, min_isr (effective)",
        "leader_epoch, partition_epoch",
        "A broker leads the partition in a new epoch.",
    ),
    "follower-start": (
        "topic-partition",
        "topic_id, leader, end_offset, high_watermark",
        "leader_epoch, partition_epoch",
        "A broker follows in a new leader epoch.",
    ),
    "replica-stopped": (
        "topic-partition",
        "topic_id, deleted: bool",
        "leader_epoch",
        "A broker no longer hosts the replica, or deleted the log of one that it did not host since it was started.",
    ),
    "log-opened": (
        "topic-partition",
        "topic_id, log_start_offset, end_offset, high_watermark",
        "",
        "A (re)started or newly assigned replica found this in its log.",
    ),
    "log-append": (
        "topic-partition",
        "topic_id, base_offset, records: [record id, ...], role: leader | follower; a record id is the client's "
        "value, or for __consumer_offsets a string",
        "leader_epoch (of the records)",
        "A replica wrote records of one epoch to its log.",
    ),
    "log-truncate": (
        "topic-partition",
        "topic_id, end_offset (kept), old_end_offset, high_watermark (before)",
        "leader_epoch (current)",
        "A replica cut its log.",
    ),
    "high-watermark": (
        "topic-partition",
        "topic_id, high_watermark, role: leader | follower; leaders also: isr (committed), maximal_isr, min_isr",
        "leader_epoch",
        "A replica's high watermark changed.",
    ),
    "isr-proposed": (
        "topic-partition",
        "topic_id, isr, maximal_isr, broker_epochs",
        "leader_epoch, partition_epoch",
        "A leader asks for an ISR; the change is pending.",
    ),
    "isr-changed": (
        "topic-partition",
        "topic_id, isr (committed), maximal_isr, why: answer | metadata | reverted",
        "leader_epoch, partition_epoch",
        "A leader's view of its ISR changed.",
    ),
    "request-accepted": (
        "topic-partition",
        "topic_id, request, from, local_*: the epochs here; changed: [[topic-partition or controller, before, after], "
        "...], each [leader, leader epoch] or [controller] or null, where an order with old epochs was obeyed",
        "as in the request",
        "A guard let a request pass whose epochs are not the local ones; written when it has been obeyed.",
    ),
    "request-fenced": (
        "topic-partition",
        "topic_id, request, from",
        "as in the request",
        "A guard refused a request for its epochs; `error` is the answer.",
    ),
    "produce-answered": (
        "topic-partition",
        "topic_id, base_offset, end_offset, acks, records: [record id, ...]",
        "leader_epoch",
        "A leader answered a produce with acks=all (ok).",
    ),
    "authorised": (
        "resource type:name",
        "principal, operation, allowed: bool, metadata_offset (the applied image's next offset)",
        "",
        "A broker decided about a request of a principal that is not a super user.",
    ),
    # --- consumer groups
    "coordinator-loading": (
        "__consumer_offsets-k",
        "",
        "coordinator_epoch",
        "A broker begins to load a group partition.",
    ),
    "coordinator-loaded": (
        "__consumer_offsets-k",
        "loaded_to (offset), log_end_offset",
        "coordinator_epoch",
        "A broker serves the groups of this partition.",
    ),
    "coordinator-unloaded": (
        "__consumer_offsets-k",
        "",
        "coordinator_epoch",
        "A broker forgot the groups of this partition.",
    ),
    "group-generation": (
        "group",
        "members: {member id: instance id or null}, leader, replaced: [member ids no longer in the group]",
        "generation, coordinator_epoch",
        "A group completed a join: only these members may commit.",
    ),
    "group-assignment": (
        "group",
        "assignment: {member id: [topic-partition, ...]}",
        "generation, coordinator_epoch",
        "A group's leader assigned the partitions (SyncGroup).",
    ),
    "group-member-removed": (
        "group",
        "member, instance, why: left | session-timeout | replaced",
        "generation, coordinator_epoch",
        "The coordinator removed a member; it may not commit any more.",
    ),
    "offset-commit-accepted": (
        "group",
        "member, instance, offsets: {topic-partition: offset}, current_member_of_instance",
        "generation (of the request), current_generation, coordinator_epoch",
        "The coordinator passed a commit and appended it; `value.record_offsets`: {topic-partition: offset of its "
        "record in __consumer_offsets}, `value.partition`: __consumer_offsets-k. With offsets in ZooKeeper the "
        "ensemble committed it, and there are no epochs; value {store: zookeeper, session, offsets, zxid}.",
    ),
    "offset-commit-refused": (
        "group",
        "member, instance",
        "generation, current_generation, coordinator_epoch",
        "The coordinator refused a commit with the error.",
    ),
    "partition-owned": (
        "group",
        "partition, owner: consumer id or null, session (of the transaction), zxid",
        "",
        "Consumers before Kafka 0.9: a consumer's claim of a partition in ZooKeeper began, or ended (owner null).",
    ),
    # --- ZooKeeper: a zxid is epoch << 32 | counter
    "zk-state": (
        "",
        "state: looking | following | leading (both once a quorum has acknowledged the leader), leader, last_zxid (of "
        "the log)",
        "current_epoch, accepted_epoch",
        "A server entered a state.",
    ),
    "zk-append": (
        "",
        "base_offset, entries: [[zxid, digest, kind, session, request number], ...]; kind is Create, SetData, ..., "
        "or Error for one that failed and changes nothing; what no client asked for has request number 0",
        "",
        "A server wrote transactions to its log; they are not yet synced.",
    ),
    "zk-truncate": (
        "",
        "end_offset (kept), old_end_offset, zxid (the last that may stay)",
        "",
        "A server cut its log, as its leader told it.",
    ),
    "zk-snapshot": (
        "",
        "zxid, digest (tree), source: taken | received | recovered, log_start_offset, base_zxid (the log holds only "
        "what is above it)",
        "",
        "A snapshot is durable. After received and recovered the log begins anew.",
    ),
    "zk-apply": (
        "",
        "zxid, digest (tree)",
        "current_epoch",
        "A server applied a committed transaction.",
    ),
    "zk-session": (
        "",
        "session, zxid, what: created | closed; created: timeout_us; closed: removed [paths], left [paths that the "
        "session still owns]",
        "",
        "A server applied the beginning or the end of a session.",
    ),
    "zk-session-expired": (
        "",
        "session, timeout_us, silent_us (since the leader last heard of the client)",
        "",
        "A leader decided that a session has run out; its end follows as a transaction.",
    ),
    "zk-session-attached": (
        "",
        "session, new: bool, zxid (the server's last), last_zxid_seen (the client's)",
        "",
        "A server let a client's connection in.",
    ),
    "zk-answered": (
        "",
        "session, xid, operation, path, zxid; where it was a read with a watch: watch: true; where there is a stat: "
        "mzxid, pzxid, owner",
        "",
        "A client of ZooKeeper got an answer; `error` is ZooKeeper's code.",
    ),
    "zk-watch": (
        "",
        "session, type: created | deleted | changed | child, path",
        "",
        "A client of ZooKeeper got a watch event.",
    ),
    "zk-fatal": (
        "",
        "reason (in words)",
        "current_epoch",
        "A server met what cannot be in a correct ensemble; its process ends.",
    ),
}

#: Operations of clients -> what invocation and completion carry. `process` is the client's; an `info` retires it.
OPERATIONS: dict[str, str] = {
    "produce": (
        "key topic-partition. invoke value {records: [record id, ...], acks: 0|1|-1, idempotent: bool}; ok value "
        "adds {base_offset}. epochs leader_epoch on ok."
    ),
    "poll": (
        "invoke value {group or null}; ok value {records: {topic-partition: [[offset, record id], ...]}}."
    ),
    "commit-offsets": (
        "key group. invoke value {offsets: {topic-partition: offset}, member, generation}; ok epochs "
        "coordinator_epoch, value adds record_offset, partition (__consumer_offsets-k). With offsets in ZooKeeper "
        "there is no generation, and ok value adds zxids: {topic-partition: zxid}, of what was written."
    ),
    "fetch-offsets": (
        "key group. invoke value {partitions: [...], require_stable: bool}; ok value {offsets: {topic-partition: "
        "offset or -1}}, epochs coordinator_epoch. With offsets in ZooKeeper ok value adds zxids: {topic-partition: "
        "zxid up to which the server that answered had come}; with dual commit stores: {kafka: {...}, "
        "zookeeper: {...}} too."
    ),
    "subscribe": (
        "key group. invoke value {topics}; ok value {assignment: [topic-partition, ...], member}, epochs "
        "generation."
    ),
    "create-topic": "key topic. invoke value {partitions, replication_factor, configs}; ok value {topic_id}.",
    "delete-topic": "key topic. ok value {topic_id}.",
    "alter-config": "key topic. invoke value {name, value}.",
    "describe-config": "key topic. ok value {entries: {name: value}, node (answering broker), offset (metadata)}.",
    "create-acl": "key resource type:name. invoke value {principal, operation, permission}.",
    "delete-acl": "as create-acl.",
    "describe-topics": "ok value {topics: {name: topic id}, node, offset (metadata)}.",
    "elect-leader": "key topic-partition. invoke value {election_type}; ok value {topic_id}.",
    "unregister-broker": "key broker id; invoke and ok value {}. KRaft mode only.",
    "reassign": "key topic-partition. invoke value {replicas}.",
    "final-read": (
        "key topic-partition, after the heal: reads the whole partition from its log start. ok value {records: "
        "[[offset, record id], ...], log_start_offset, topic_id}."
    ),
    "final-offsets": "key group, after the heal: as fetch-offsets.",
}

#: Events of type `fault`; `value` holds the fault as the schedule has it plus the nodes it was resolved to.
FAULT_EVENTS: dict[str, str] = {
    "start": (
        "A fault was injected: f is the fault's kind, value {fault: index in the schedule, nodes: [...], ...}."
    ),
    "heal": (
        "f is `heal`: every fault ended here but those that remain; value {quiet_us: the time within which liveness is "
        "demanded, outside: [the nodes that such faults hold; left out where there are none]}."
    ),
    "quiet-end": (
        "f is `quiet-end`: the run's last moment; value is the final state of every node: {nodes: {id: {...}}}."
    ),
}
