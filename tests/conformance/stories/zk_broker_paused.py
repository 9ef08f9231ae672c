"""In ZooKeeper mode a broker that leads, but does not control, is paused. When its session has run out, the controller
elects the other replica, and the leader epoch rises once. The paused one wakes up, registers anew in a new session, is
told that it follows, and returns to the ISR by the new leader's word. What it was asked to write meanwhile is refused.
"""

from stories.zk_stage import SESSION_S, ZkStage


def play(stage: ZkStage) -> None:
    stage.await_brokers()
    controller = stage.await_controller()
    (other,) = stage.others(controller)
    stage.cast({controller: "A", other: "B"})
    stage.create_topic("expired", other, controller)
    stage.tell(f"the leader writes: {stage.answered(stage.produce(other, 'expired', 'a'))}")

    stage.pause(other)
    stage.timed(
        "the controller leads alone", lambda: stage.recorded("expired-0")[::2] == (controller, (controller,)),
        SESSION_S)
    stage.until("it knows", lambda: stage.view(controller, "expired-0").leader == controller)
    stage.tell(f"it writes: {stage.answered(stage.produce(controller, 'expired', 'b'))}")
    stage.tell(f"it tells of {len(stage.metadata(controller).brokers)} brokers")

    late = stage.produce(other, "expired", "lost")
    stage.resume(other)
    stage.tell(f"the paused one answers: {stage.answered(late)}")
    stage.until("it is back in the ISR", lambda: stage.recorded("expired-0").isr == stage.brokers)
    stage.await_brokers()
    stage.until("both tell the same", lambda: stage.view(1, "expired-0") == stage.view(2, "expired-0"))
    stage.until("the log holds what was acknowledged", lambda: stage.values(controller, "expired") == ("a", "b"))
    stage.tell_log()
