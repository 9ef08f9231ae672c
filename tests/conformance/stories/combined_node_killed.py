"""One of three nodes that are controller and broker in one is killed: the active controller, which leads a partition
besides. First the quorum elects another controller, in a higher epoch. It cannot know yet that the broker is dead, for
it gives every broker a whole session from its own beginning on; when that has run out, it fences the broker, and the
next replica leads. The node comes back as another incarnation, follows, and returns to the ISR.
"""

from stories.kraft_stage import FETCH_TIMEOUT_S, SESSION_S, KRaftStage


def play(stage: KRaftStage) -> None:
    dead = stage.leader_of_quorum()
    second, third = (node for node in stage.brokers if node != dead)
    stage.cast({dead: "A", second: "B", third: "C"})
    before = stage.quorum(dead)
    assert before is not None
    stage.create_topic("combined", dead, second, third)
    stage.tell(f"the leader writes: {stage.answered(stage.produce(dead, 'combined', 'a'))}")

    stage.kill(dead)
    stage.timed("another controller is active", lambda: stage.active_controller() is not None, FETCH_TIMEOUT_S)
    after = stage.quorum(stage.leader_of_quorum())
    assert after is not None
    stage.tell(f"its epoch is higher: {after.epoch > before.epoch}")
    stage.timed(
        "the next replica leads", lambda: stage.recorded("combined-0").leader == second,
        FETCH_TIMEOUT_S + SESSION_S)
    stage.until("all that run know", lambda: stage.view(second, "combined-0") == stage.view(third, "combined-0")
                == stage.recorded("combined-0"))
    stage.tell(f"it writes: {stage.answered(stage.produce(second, 'combined', 'b'))}")

    stage.start(dead)
    stage.until("the dead one is back in the ISR", lambda: stage.recorded("combined-0").isr == stage.brokers)
    stage.await_brokers()
    stage.until("it follows in the quorum", lambda: stage.quorum(dead) == after)
    stage.until("the log holds everything", lambda: stage.values(second, "combined") == ("a", "b"))
    stage.tell_log(controllers=True)
