"""In ZooKeeper mode the controller creates the state of a new partition, but the answer from ZooKeeper gets lost with
the connection. It tries again, meets NODEEXISTS, and takes the state for somebody else's: nobody is told that the
partition exists. ZooKeeper has its leader, and no broker knows, until the next controller reads everything.

That is how 3.9 does it; the model, unless a bug is switched on, recognises its own write and goes on.
"""

from stories.zk_stage import ZkStage


def play(stage: ZkStage) -> None:
    stage.create_topic("former", 1, 2)
    controller = stage.await_controller()
    loss = stage.lose_answer(controller, "/brokers/topics/newborn/partitions/0/state")
    order = stage.order_topic(controller, "newborn", (2, 1))
    stage.until("ZooKeeper's answer to the controller is lost", loss)
    order.drop()
    stage.tell(f"the controller's next event: {stage.ordered('later', 1, 2)}")
    stage.until("every broker knows of it", lambda: all(
        stage.view(broker, "later-0").leader == 1 for broker in stage.brokers))
    stage.tell(f"ZooKeeper's leader is {stage.recorded('newborn-0').leader}")
    stage.tell(f"the brokers know of {[stage.view(broker, 'newborn-0').leader for broker in stage.brokers]}")

    stage.delete_controller()
    stage.until("every broker knows the leader", lambda: all(
        stage.view(broker, "newborn-0").leader == 2 for broker in stage.brokers))
    stage.tell(f"it is in epoch {stage.view(2, 'newborn-0').leader_epoch}")
    stage.tell(f"it writes: {stage.answered(stage.produce(2, 'newborn', 'a'))}")
