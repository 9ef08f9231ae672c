"""Kafka's controller of ZooKeeper mode, as of 3.9 (KafkaController.scala and what it uses).

How it fits into a broker process, in the order of a start-up:

1. `KafkaZkClient(node, config.zookeeper_max_in_flight_requests, make_session)` is the process's one way to ZooKeeper;
   `make_session(listener)` returns a new `ZooKeeperClient` each time, for a session that ended is never revived. Others
   of the process may use it too: `request_all`, `change_handlers`, `child_handlers`, `session_listeners`.
   Before the first use of a chroot, `create_chroot` by a client without one.
2. `create_persistent_paths(client, callback)`, then `BrokerRegistrar.register(callback)`. An error NODEEXISTS means
   that another session holds /brokers/ids/<id>: the process ends, and its supervisor starts it again.
   `BrokerRegistrar.broker_epoch` is the process's broker epoch from then on; it rises by itself when the session has
   expired, for the controller's event RegisterBrokerAndReelect registers anew.
3. `ZkController(node, config, client, registrar, composer)`, made before step 2 and started after it with `start()`.
   It sets the node's handlers for AlterPartition, AllocateProducerIds and ControlledShutdown; `elect_leader`,
   `reassign` and `on_unclean_election_enabled` are called by the process; `active_controller_id` says where to send
   requests; `slow_down` is a fault.

4. `ZkAdminManager(...).execute(operation, arguments, done)` carries out what clients ask of the administration. Up to
   inter.broker.protocol.version 2.6 (`uses_alter_partition` is False), `ZkIsrManager` stands where the partitions have
   their channel for AlterPartition.

What the process provides: handlers of LeaderAndIsr, UpdateMetadata and StopReplica (the network delivers them to itself
as to others), with the guards of the receiving side; for `ZkAdminManager` a view of what it has been told; whoever
watches /config/changes and /kafka-acl-changes.

A ZooKeeper server reports Kafka's committed metadata by a `ClusterMetadata`: `apply` with each transaction that it
applies, and `resync` first where its tree has come to another zxid than `last_zxid` by other ways.

Outside the controller's thread nothing here changes its state. `event_manager` explains how a thread that blocks is
modelled; every class that holds guards is made by the run's composer.

Left out: log directories that fail (their notifications are deleted at a fail-over, as in Kafka, and never written),
features, KRaft controllers that claim /controller, metrics.
"""
