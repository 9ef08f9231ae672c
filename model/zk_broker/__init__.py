"""A broker of ZooKeeper mode, as of 3.9: what differs from KRaft's (KafkaServer, KafkaApis, ReplicaManager,
ZkMetadataCache).

The data plane, the groups and the authoriser are those of `fencepost.model.broker`; here is what drives them. Roles
come by LeaderAndIsr and StopReplica, past the guards of `control_requests`; the image is a cache that UpdateMetadata
fills (`metadata_cache`), with configurations and ACLs that are read from ZooKeeper when a notification says so
(`change_notifications`). The process registers, registers again after its session has expired, and asks the controller
before it ends (`lifecycle`).
"""
