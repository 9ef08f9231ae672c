"""In ZooKeeper mode the controller is paused; it leads a partition besides. Its session runs out, and with it go
/controller and its registration; the other broker claims the next controller epoch. As it begins, it first takes the
dead broker's replica out of the ISR, which leaves the partition without a leader, and then elects one: the leader epoch
rises twice. The paused one wakes up, finds its session gone, registers anew and does as it is told: what it was asked
to write meanwhile is refused and lost.
"""

from stories.zk_stage import SESSION_S, ZkStage


def play(stage: ZkStage) -> None:
    stage.await_brokers()
    old = stage.await_controller()
    (other,) = stage.others(old)
    stage.cast({old: "A", other: "B"})
    stage.create_topic("paused", old, other)
    stage.tell(f"the leader writes: {stage.answered(stage.produce(old, 'paused', 'a'))}")

    stage.pause(old)
    stage.timed("the other one controls", lambda: stage.controller() == other, SESSION_S)
    stage.until("it leads alone", lambda: stage.view(other, "paused-0")[::2] == (other, (other,)))
    stage.tell(f"it writes: {stage.answered(stage.produce(other, 'paused', 'b'))}")

    late = stage.produce(old, "paused", "lost")
    stage.resume(old)
    stage.tell(f"the paused one answers: {stage.answered(late)}")
    stage.until("it is back in the ISR", lambda: stage.recorded("paused-0").isr == stage.brokers)
    stage.await_brokers()
    stage.until("both tell the same", lambda: stage.view(old, "paused-0") == stage.view(other, "paused-0"))
    stage.until("the log holds what was acknowledged", lambda: stage.values(other, "paused") == ("a", "b"))
    stage.tell_log()
