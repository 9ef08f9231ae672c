"""A consumer has joined a group and committed; the broker that coordinates the group is paused. When it is fenced, the
other one takes its partition of __consumer_offsets over, reads the group from it, and the group goes on: same member,
same generation, the offset committed last. A commit that nobody told of this goes to the paused one. When it wakes up
it cannot have the commit replicated, and answers that it coordinates no more. Then the member joins again, in a higher
generation, and a commit of the old generation is refused. Only what was answered "ok" is read.
"""

from stories.groups import Commit, Heartbeat, Join, Sync
from stories.kraft_stage import SESSION_S, KRaftStage


def play(stage: KRaftStage) -> None:
    stage.create_topic("consumed", 1, 2)
    stage.create_topic("__consumer_offsets", 1, 2)
    stage.until("the first broker coordinates", lambda: stage.coordinates(1))
    first = stage.answered(stage.ask_group(1, Join("", ("consumed",))))
    stage.tell(f"a consumer joins: {first.error}, in generation {first.generation}")
    stage.tell(f"it has its partitions: {stage.group_error(1, Sync(first.member, first.generation))}")
    stage.tell(f"it commits: {stage.group_error(1, Commit(first.member, first.generation, 1))}")

    stage.pause(1)
    stage.timed("the other broker coordinates", lambda: stage.coordinates(2), SESSION_S)
    stage.tell(f"it has read offset {stage.committed_offset(2, 'consumed')}")
    stage.tell(f"it knows the member: {stage.group_error(2, Heartbeat(first.member, first.generation))}")
    stage.tell(f"it takes a commit: {stage.group_error(2, Commit(first.member, first.generation, 2))}")
    late = stage.ask_group(1, Commit(first.member, first.generation, 7))
    stage.resume(1)
    stage.tell(f"the paused one answers a commit: {stage.answered(late).error}")

    again = stage.answered(stage.ask_group(2, Join(first.member, ("consumed", "more"))))
    stage.tell(f"the member joins again: {again.error}, in generation {again.generation}")
    stage.tell(f"it has its partitions: {stage.group_error(2, Sync(again.member, again.generation))}")
    stage.tell(f"it commits as before: {stage.group_error(2, Commit(first.member, first.generation, 3))}")
    stage.tell(f"it commits as now: {stage.group_error(2, Commit(first.member, again.generation, 4))}")
    stage.tell(f"committed is offset {stage.committed_offset(2, 'consumed')}")
    stage.until("the first broker is back in the ISR", lambda: stage.view(2, "__consumer_offsets-0").isr == (1, 2)
                and stage.view(2, "consumed-0").isr == (1, 2))
    stage.await_brokers()
    stage.until("it knows who coordinates", lambda: not stage.coordinates(1))
    stage.tell(f"it answers a commit: {stage.group_error(1, Commit(first.member, again.generation, 5))}")
    stage.tell_log()
