"""The active controller is paused (a long collection of garbage, a stopped virtual machine). Its quorum elects another,
in a higher epoch; no broker is fenced and no partition changes. A client that does not know orders something of the
paused one. When it wakes up it finds the order before anything else, may even write it to its log, and is not obeyed:
nobody follows it any more, it takes the other for its leader, and what it wrote is cut off.
"""

from stories.kraft_stage import FETCH_TIMEOUT_S, KRaftStage


def play(stage: KRaftStage) -> None:
    stage.create_topic("kept", 1, 2)
    old = stage.leader_of_quorum()
    before = stage.quorum(old)
    assert before is not None

    stage.pause(old)
    stage.timed(
        "another controller is active", lambda: stage.active_controller() not in (None, old),
        FETCH_TIMEOUT_S)
    new = stage.leader_of_quorum()
    after = stage.quorum(new)
    assert after is not None
    stage.tell(f"its epoch is higher: {after.epoch > before.epoch}")
    stage.tell(f"it creates a topic: {stage.answered(stage.order_topic(new, 'obeyed', (2, 1)))}")

    order = stage.order_topic(old, "disobeyed", (1, 2))
    stage.resume(old)
    stage.tell(f"the old one answers: {stage.answered(order)}")
    stage.until("the old one follows the new one", lambda: stage.quorum(old) == stage.quorum(new))
    stage.tell(f"the new one is still active: {stage.active_controller() == new and stage.quorum(new) == after}")
    stage.until("every broker knows what the new one has created", lambda: all(
        stage.view(broker, "obeyed-0").isr == (1, 2) for broker in stage.brokers))
    stage.tell(f"nobody knows the other topic: {stage.view(1, 'disobeyed-0').leader == -1}")
    stage.tell_log(controllers=True)
