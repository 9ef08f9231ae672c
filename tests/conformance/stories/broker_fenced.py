"""A broker that leads is paused. Its session runs out, the controller fences it, and the other replica leads alone. A
client that does not know writes to the paused one. When it wakes up, it cannot have the record replicated: in the end
it learns that it does not lead, and the record is gone. Its next heartbeat, still of the same incarnation, brings it
back; it catches up and returns to the ISR, but nobody gives it back its leadership.
"""

from stories.kraft_stage import SESSION_S, KRaftStage


def play(stage: KRaftStage) -> None:
    stage.create_topic("fenced", 1, 2)
    stage.tell(f"the leader writes: {stage.answered(stage.produce(1, 'fenced', 'a'))}")

    stage.pause(1)
    stage.timed("the other replica leads alone", lambda: stage.view(2, "fenced-0")[::2] == (2, (2,)), SESSION_S)
    stage.tell(f"the other one writes: {stage.answered(stage.produce(2, 'fenced', 'b'))}")
    stage.tell(f"it tells of brokers {stage.metadata(2).brokers}")

    late = stage.produce(1, "fenced", "lost")
    stage.resume(1)
    stage.tell(f"the paused one answers: {stage.answered(late)}")
    stage.until("it is back in the ISR", lambda: stage.view(2, "fenced-0").isr == (1, 2))
    stage.await_brokers()
    stage.until("both tell the same", lambda: stage.view(1, "fenced-0") == stage.view(2, "fenced-0"))
    stage.until("the log holds what was acknowledged", lambda: stage.values(2, "fenced") == ("a", "b"))
    stage.tell_log()
