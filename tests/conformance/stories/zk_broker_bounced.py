"""In ZooKeeper mode a broker dies and its successor starts at once, while ZooKeeper still takes the dead one's session
for alive: the registration is not the successor's to take, and its process ends. When the session has run out, another
successor registers.
"""

from stories.zk_stage import ZkStage


def play(stage: ZkStage) -> None:
    stage.await_brokers()
    controller = stage.await_controller()
    (other,) = stage.others(controller)
    stage.cast({controller: "A", other: "B"})
    stage.create_topic("bounced", other, controller)
    release = stage.outlive(other)
    stage.kill(other)
    stage.start(other)
    stage.until("its successor ends by itself", lambda: not stage.runs(other))
    release()
    stage.until("A leads alone", lambda: stage.recorded("bounced-0")[::2] == (controller, (controller,)))
    stage.start(other)
    stage.until("B is back in the ISR", lambda: stage.recorded("bounced-0").isr == stage.brokers)
    stage.await_brokers()
    stage.tell_log()
