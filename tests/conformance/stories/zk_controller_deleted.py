"""An operator deletes /controller, while the session of whoever holds it lives on. Both brokers race for it, and one of
them - perhaps the same - claims the next controller epoch. Nobody was away: no partition changes, and the new one does
what it is asked.
"""

from stories.zk_stage import ZkStage


def play(stage: ZkStage) -> None:
    stage.create_topic("untouched", 1, 2)
    before = stage.controller_epoch()
    stage.delete_controller()
    stage.until("the controller epoch rises", lambda: stage.controller_epoch() > before)
    stage.tell(f"the new controller creates a topic: {stage.ordered('more', 2, 1)}")
    stage.until("every broker knows it", lambda: all(
        stage.view(broker, "more-0")[::2] == (2, (1, 2)) for broker in stage.brokers))
    stage.tell(f"the old topic is as it was: {stage.view(1, 'untouched-0')[:2]}")
    stage.tell(f"the epoch has risen by {stage.controller_epoch() - before}")
