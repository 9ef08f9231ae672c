"""A broker dies, and its replica leaves the ISR; the other one writes on alone and dies, too. Now nobody leads, and the
ISR is still the last one who stood. The first broker comes back, but without the records that only the other one has:
it may not lead. Only when the last member of the ISR is back there is a leader again, and nothing is lost.
"""

from stories.kraft_stage import SESSION_S, KRaftStage


def play(stage: KRaftStage) -> None:
    stage.create_topic("last", 1, 2)
    stage.tell(f"the leader writes: {stage.answered(stage.produce(1, 'last', 'a'))}")

    stage.kill(2)
    stage.timed("the leader is alone", lambda: stage.view(1, "last-0").isr == (1,), SESSION_S)
    stage.tell(f"it writes on: {stage.answered(stage.produce(1, 'last', 'b'))}")

    stage.kill(1)
    stage.timed(
        "nobody leads, and the ISR is the last member", lambda: stage.recorded("last-0")[::2] == (-1, (1,)),
        SESSION_S)
    stage.start(2)
    stage.until("the first one is back and knows", lambda: stage.view(2, "last-0")[::2] == (-1, (1,)))
    stage.until("it is unfenced", lambda: stage.metadata(2).brokers == (2,))
    stage.tell(f"it does not write: {stage.answered(stage.produce(2, 'last', 'c'))}")

    stage.start(1)
    stage.until("the last member leads again", lambda: stage.view(2, "last-0").leader == 1)
    stage.until("both are in the ISR", lambda: stage.view(2, "last-0").isr == (1, 2))
    stage.await_brokers()
    stage.tell(f"it writes: {stage.answered(stage.produce(1, 'last', 'd'))}")
    stage.until("the log holds what was written", lambda: stage.values(1, "last") == ("a", "b", "d"))
    stage.tell_log()
