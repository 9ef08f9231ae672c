"""In ZooKeeper mode somebody speaks with the voice of a controller that was replaced, to an incarnation of a broker
that is gone, or in the name of a broker that is not there. Each such request is refused for its epochs, and one that
says nothing of the broker's incarnation, or names a later one, passes. What passes stops a replica that nobody hosts.
"""

from stories.zk_stage import ZkStage

UNKNOWN_BROKER, ANY_INCARNATION = 9, -1


def play(stage: ZkStage) -> None:
    stage.create_topic("spoken", 1, 2)
    controller = stage.await_controller()
    (other,) = stage.others(controller)
    epoch, incarnation = stage.controller_epoch(), stage.broker_epoch(other)
    for what, controller_epoch, broker_epoch, delete in (
        ("of an older controller", epoch - 1, incarnation, False),
        ("for an older incarnation", epoch, incarnation - 1, False),
        ("of an older controller for an older incarnation", epoch - 1, incarnation - 1, False),
        ("for a later incarnation", epoch, incarnation + 1, False),
        ("for any incarnation", epoch, ANY_INCARNATION, False),
        ("of an older controller for any incarnation", epoch - 1, ANY_INCARNATION, False),
        ("that deletes", epoch, incarnation, True),
    ):
        answer = stage.stop_replica(other, controller, controller_epoch, broker_epoch, "unheard", delete)
        stage.tell(f"a StopReplica {what}: {answer}")
    for what, receiver, broker, broker_epoch in (
        ("to who does not control", other, other, incarnation),
        ("of an older incarnation", controller, other, incarnation - 1),
        ("of an unknown broker", controller, UNKNOWN_BROKER, incarnation),
    ):
        stage.tell(f"a ControlledShutdown {what}: {stage.controlled_shutdown(receiver, broker, broker_epoch)}")
    stage.tell(f"the topic is as it was: {[stage.view(broker, 'spoken-0') for broker in stage.brokers]}")
