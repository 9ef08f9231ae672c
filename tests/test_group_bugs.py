"""Each known bug of the group coordinator, on the least that shows it; the same script on a sound one does not."""

import pytest
from group_broker import A_WHILE_US, ORDERS, GroupBroker, group_broker, loaded_broker

from fencepost.model import errors
from fencepost.model.broker.group_records import OffsetKey, OffsetValue
from fencepost.model.bugs.groups import BUGS

PATCHES = {bug.bug_id: bug.patches for bug in BUGS}


def is_accepted(broker: GroupBroker, member_id: str, generation: int, instance: str | None = None) -> bool:
    """Whether a commit is taken."""
    before = len(broker.seen("offset-commit-accepted"))
    broker.commit_offset(5, member_id, generation, instance)
    return len(broker.seen("offset-commit-accepted")) > before


def old_generation(patches: tuple[type, ...]) -> bool:
    """A member's delayed commit of a generation that it has left for the next one."""
    broker = loaded_broker(patches=patches)
    members = broker.form_group(None)
    broker.join(members[0])
    broker.settle_generation(members, 2)
    return is_accepted(broker, members[0], 1)


def removed_member(patches: tuple[type, ...]) -> bool:
    """A member commits after its session has ended."""
    broker = loaded_broker(patches=patches)
    members = broker.form_group(None, None)
    broker.leave(members[1])
    broker.join(members[0])
    broker.settle_generation(members[:1], 2)
    return is_accepted(broker, members[1], 1)


def replaced_instance(patches: tuple[type, ...]) -> bool:
    """A static member commits after another one has taken its instance id, in the same generation."""
    broker = loaded_broker(patches=patches)
    members = broker.form_group("i1")
    broker.join("", "i1")
    broker.log.commit()
    return is_accepted(broker, members[0], 1, "i1")


@pytest.mark.parametrize(("bug_id", "accepted"), [
    (None, ()), ("OFFSET-COMMIT-FENCING", (old_generation, removed_member, replaced_instance)),
    ("OFFSET-COMMIT-FENCING-GENERATION", (old_generation,)),
    ("OFFSET-COMMIT-FENCING-MEMBER", (old_generation, removed_member)),
    ("OFFSET-COMMIT-FENCING-INSTANCE", (replaced_instance,))])
def test_commits_of_zombies(bug_id: str | None, accepted: tuple[object, ...]) -> None:
    patches = PATCHES[bug_id] if bug_id else ()
    for script in (old_generation, removed_member, replaced_instance):
        assert script(patches) == (script in accepted), script.__name__


@pytest.mark.parametrize(("bug_id", "served"), [(None, True), ("KAFKA-10614", False)])
def test_an_overtaken_resignation_wipes_the_cache(bug_id: str | None, served: bool) -> None:
    broker = group_broker(patches=PATCHES[bug_id] if bug_id else ())
    broker.serve(3)
    broker.coordinator._resigned(0, 2)
    assert (broker.fetch_offset().error is None) == served


@pytest.mark.parametrize(("bug_id", "offset"), [(None, 8), ("KAFKA-10614", 5)])
def test_an_old_cache_is_served_in_a_new_epoch(bug_id: str | None, offset: int) -> None:
    broker = loaded_broker(patches=PATCHES[bug_id] if bug_id else ())
    broker.log.commits_at_once = True
    broker.commit_offset(5)
    broker.log.write((OffsetKey("g", ORDERS), OffsetValue(8, -1, "", -1, 0)))
    broker.log.leader_epoch = 3
    broker.coordinator._elected(0, 3)
    broker.run(A_WHILE_US)
    broker.log.commit()
    answer = broker.fetch_offset(stable=False).only
    assert (answer.offsets, answer.coordinator_epoch) == (((ORDERS, offset),), 3)


@pytest.mark.parametrize(("bug_id", "offset"), [(None, 9), ("KAFKA-16030", 1)])
def test_a_partial_load_is_served(bug_id: str | None, offset: int) -> None:
    broker = group_broker(patches=PATCHES[bug_id] if bug_id else ())
    for committed in range(10):
        broker.log.write((OffsetKey("g", ORDERS), OffsetValue(committed, -1, "", -1, 0)))
    broker.log.high_watermark = 10
    broker.serve()
    assert broker.committed() == offset


@pytest.mark.parametrize(("bug_id", "error"), [(None, errors.NOT_COORDINATOR), ("KAFKA-20634", None)])
def test_a_commit_that_was_truncated_is_answered_ok(bug_id: str | None, error: str | None) -> None:
    broker = loaded_broker(patches=PATCHES[bug_id] if bug_id else ())
    answer = broker.commit_offset(5)
    broker.log.follow(2)
    broker.log.records.clear()
    broker.log.write((OffsetKey("other", ORDERS), OffsetValue(7, -1, "", -1, 0)))
    broker.log.commit(epoch=2)
    broker.run(A_WHILE_US)
    assert answer.error == error
