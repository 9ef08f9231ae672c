"""In ZooKeeper mode a leader asks for a larger ISR. The controller writes it, but the answer from ZooKeeper gets lost
with the connection. It tries again, meets the version that it wrote itself, and takes it for somebody else's: the
leader is refused, and nobody is told. ZooKeeper has the larger ISR and every broker the smaller one, until the next
leader epoch: here, because the other replica's session runs out once more.

That is how 3.9 does it; the model, unless a bug is switched on, recognises its own write and goes on.
"""

from stories.zk_stage import ZkStage


def play(stage: ZkStage) -> None:
    stage.await_brokers()
    controller = stage.await_controller()
    (other,) = stage.others(controller)
    stage.cast({controller: "A", other: "B"})
    stage.create_topic("stuck", controller, other)
    stage.pause(other)
    stage.until("A leads alone", lambda: stage.view(controller, "stuck-0").isr == (controller,))

    loss = stage.lose_answer(controller, "/brokers/topics/stuck/partitions/0/state")
    stage.resume(other)
    stage.until("ZooKeeper's answer to A is lost", loss)
    stage.until("ZooKeeper has both in the ISR", lambda: stage.recorded("stuck-0").isr == stage.brokers)
    stage.await_brokers()
    stage.tell(f"the controller's next event: {stage.ordered('beside', controller, other)}")
    stage.until("every broker knows of it", lambda: all(
        stage.view(broker, "beside-0").leader == controller for broker in stage.brokers))
    for broker in (controller, other):
        isr = stage.view(broker, "stuck-0").isr
        stage.tell(f"{stage.part(broker)} tells of an ISR of {', '.join(sorted(map(stage.part, isr)))}")

    stage.pause(other)
    stage.until("A leads alone, in a higher epoch", lambda: stage.view(controller, "stuck-0").leader_epoch == 2)
    stage.resume(other)
    stage.until("both are in the ISR, and A knows", lambda: stage.view(controller, "stuck-0").isr == stage.brokers)
    stage.await_brokers()
    stage.tell_log()
