"""ZooKeeper mode: what excuses a loss by a disk fault is what the controllers could know of it."""

import pytest
from replica_story import Story

EPOCHS = {1: 0, 2: 1, 3: 2}


def committed() -> Story:
    """Leader 1 of epoch 0 commits r0 and r1 with everybody; the controller of epoch 1 has read who is registered."""
    story = Story(mode="zk")
    lists(story, 1, EPOCHS)
    story.leads(1, 0, (1, 2, 3))
    story.everyone_writes(0, "r0", "r1")
    story.reaches(1, 0, 2, (1, 2, 3))
    story.answers(1, 0, 0, "r0", "r1")
    return story


def lists(
    story: Story, controller_epoch: int, epochs: dict[int, int], bounced: tuple[int, ...] = (),
    dead: tuple[int, ...] = (),
) -> None:
    """A controller reads /brokers/ids."""
    value = {"brokers": [[broker, epoch] for broker, epoch in epochs.items()], "dead": list(dead),
             "bounced": list(bounced)}
    story.observe("broker-list", 9, None, value, controller_epoch=controller_epoch)


def come_back(story: Story, broker: int) -> dict[int, int]:
    """The broker registers again under a new epoch, and opens what its disk still has."""
    epochs = {**EPOCHS, broker: story.offset}
    story.register(broker, fenced=False)
    return epochs


def lead_without_tail(story: Story, broker: int, isr: tuple[int, ...]) -> None:
    """The broker is elected, although it has lost r1."""
    story.opened(broker, 1)
    story.commit(story.change(isr, broker))
    story.leads(broker, 1, isr)


def test_a_bounce_that_the_first_list_hides_is_excused() -> None:
    story = committed()
    story.dies(2, lost_from=1)
    epochs = come_back(story, 2)
    lists(story, 2, epochs)
    lead_without_tail(story, 2, (2, 3))
    assert "LeaderCompleteness" not in story.rules()
    assert story.reasons() == ["unseen-bounce"]


def test_without_excuses_it_is_a_violation() -> None:
    story = committed()
    story.header["excuses"] = False
    story.dies(2, lost_from=1)
    lists(story, 2, come_back(story, 2))
    lead_without_tail(story, 2, (2, 3))
    assert story.rules()["LeaderCompleteness"] == 1


def test_a_bounce_that_the_controller_could_see_is_not_excused() -> None:
    story = committed()
    story.dies(2, lost_from=1)
    lists(story, 1, come_back(story, 2))
    lead_without_tail(story, 2, (2, 3))
    assert story.rules()["LeaderCompleteness"] == 1, "KIP-380: it knew the earlier epoch"


@pytest.mark.parametrize("whole_cluster", [False, True])
def test_the_last_replica_standing_is_excused_once_its_failure_was_handled(whole_cluster: bool) -> None:
    story = committed()
    if not whole_cluster:
        story.commit(story.change((2,), 2))
        story.leads(2, 1, (2,))
    story.dies(2, lost_from=1)
    lists(story, 1, {1: 0}, dead=(2, 3))
    story.commit(story.change((2,), -1))
    lists(story, 1, come_back(story, 2))
    story.opened(2, 1)
    story.commit(story.change((2,), 2))
    story.leads(2, 2 if whole_cluster else 3, (2,))
    assert "LeaderCompleteness" not in story.rules()
    assert story.reasons() == ["last-replica-standing"]


def test_who_left_the_isr_and_leads_again_without_its_tail_is_not_excused() -> None:
    story = committed()
    story.dies(2, lost_from=1)
    lists(story, 1, {1: 0, 3: 2}, dead=(2,))
    story.commit(story.change((1, 3), 1))
    lists(story, 1, come_back(story, 2))
    story.commit(story.change((1, 3, 2)))
    story.opened(2, 1)
    story.commit(story.change((2, 3), 2))
    story.leads(2, 2, (2, 3))
    assert story.rules()["LeaderCompleteness"] == 1


def test_a_proposal_older_than_the_fault_excuses_it() -> None:
    story = committed()
    story.commit(story.change((1, 3), 1))
    story.leads(1, 1, (1, 3))
    story.proposes(1, 1, 1, (1, 3, 2), (0, 2, 1))
    story.dies(2, lost_from=1)
    lists(story, 1, {1: 0, 3: 2}, dead=(2,))
    lists(story, 1, come_back(story, 2))
    story.commit(story.change((1, 3, 2)))
    story.opened(2, 1)
    story.commit(story.change((2, 3), 2))
    story.leads(2, 2, (2, 3))
    assert "LeaderCompleteness" not in story.rules()
    assert story.reasons() == ["unseen-bounce"]


def resume_unseen(story: Story, controller_epoch: int) -> None:
    """Leader 1 loses r1, is back, and leads on in epoch 0; the others still hold r1."""
    story.dies(1, lost_from=1)
    lists(story, controller_epoch, come_back(story, 1))
    story.opened(1, 1)
    story.leads(1, 0, (1, 2, 3))
    story.writes(1, 0, "r2", role="leader")
    story.hears(2, 0, 2)
    story.reaches(1, 0, 2, (1, 2, 3))


def test_a_leader_that_leads_on_without_its_tail_forks_the_partition() -> None:
    story = committed()
    resume_unseen(story, 2)
    assert story.rules() == {}
    assert story.reasons() == ["unseen-bounce"]


def test_a_fork_that_the_controller_could_have_known_of_is_found() -> None:
    story = committed()
    resume_unseen(story, 1)
    rules = story.rules()
    assert rules["LeaderCompleteness"] == 1
    assert rules["NoAckedRecordLost"] == 1


def test_a_replica_that_is_being_deleted_may_be_empty() -> None:
    story = committed()
    story.asks("delete-topic", "orders", answer="info")
    story.about("replica-stopped", 3, {"deleted": True}, leader_epoch=0)
    story.ends[3] = 0
    story.opened(3, 0)
    story.commit(story.change((1, 2, 3), 1))
    story.leads(1, 1, (1, 2, 3), 2)
    assert story.rules() == {}


def test_a_replica_that_nobody_asked_to_delete_may_not_be_empty() -> None:
    story = committed()
    story.about("replica-stopped", 3, {"deleted": True}, leader_epoch=0)
    story.ends[3] = 0
    story.opened(3, 0)
    story.commit(story.change((1, 2, 3), 1))
    story.leads(1, 1, (1, 2, 3), 2)
    assert "LeaderCandidateCompleteness" in story.rules()


def test_a_controller_that_ends_before_it_has_handled_a_failure_has_handled_nothing() -> None:
    story = committed()
    story.dies(2, lost_from=1)
    lists(story, 2, {1: 0, 3: 2})
    lists(story, 3, come_back(story, 2))
    lead_without_tail(story, 2, (2, 3))
    assert story.reasons() == ["unseen-bounce"]
