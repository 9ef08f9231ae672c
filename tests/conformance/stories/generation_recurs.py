"""A generation of a group is written down only when its leader has assigned the partitions. A member joins again, and
is told the next generation; before it assigns anything, the coordinator is paused, and the other broker takes the group
over. There the generation has not been: it is refused, the one before it counts, and the next join gives its number
once more.
"""

from stories.groups import Heartbeat, Join, Sync
from stories.kraft_stage import SESSION_S, KRaftStage

OFFSETS = "__consumer_offsets-0"


def play(stage: KRaftStage) -> None:
    stage.group = "renumbered"
    stage.provide_offsets_topic()
    old = stage.view(1, OFFSETS).leader
    (new,) = (broker for broker in stage.brokers if broker != old)
    stage.until("a broker coordinates", lambda: stage.coordinates(old))
    first = stage.answered(stage.ask_group(old, Join("", ("consumed",))))
    stage.tell(f"a consumer joins: {first.error}, in generation {first.generation}")
    stage.tell(f"it assigns: {stage.group_error(old, Sync(first.member, first.generation))}")
    second = stage.answered(stage.ask_group(old, Join(first.member, ("consumed", "more"))))
    stage.tell(f"it joins again: {second.error}, in generation {second.generation}")

    stage.pause(old)
    stage.timed("the other broker coordinates", lambda: stage.coordinates(new), SESSION_S)
    for generation in (second.generation, first.generation):
        stage.tell(f"generation {generation} there: {stage.group_error(new, Heartbeat(first.member, generation))}")
    third = stage.answered(stage.ask_group(new, Join(first.member, ("consumed", "most"))))
    stage.tell(f"it joins once more: {third.error}, in generation {third.generation}")
    stage.tell(f"it assigns: {stage.group_error(new, Sync(first.member, third.generation))}")

    stage.resume(old)
    stage.until("the first broker is back in the ISR", lambda: stage.view(new, OFFSETS).isr == stage.brokers)
    stage.await_brokers()
