"""The quorum's view: how records fold into brokers, partitions and settings."""

from replica_story import KEY, TOPIC, TOPIC_ID, Story

from fencepost.checkers.metadata_view import MetadataView, PartitionState

NAME = f"{KEY}/{TOPIC_ID}"


def view_of(story: Story) -> MetadataView:
    view = MetadataView(story.header)
    for event in story.events:
        if event.f == "metadata-applied":
            view.apply(event)
    return view


def test_a_change_keeps_what_it_does_not_name() -> None:
    story = Story()
    story.commit(story.change((1, 2)))
    assert view_of(story).partitions[NAME] == PartitionState((1, 2, 3), (1, 2), 1, 0, 1, (), ())
    story.commit(story.change(None, 2, eligible_leader_replicas=[3], last_known_elr=[3]))
    assert view_of(story).partitions[NAME] == PartitionState((1, 2, 3), (1, 2), 2, 1, 2, (3,), (3,))


def test_every_election_is_remembered_with_what_was_before() -> None:
    story = Story()
    story.commit(story.change((2, 3), 2))
    story.commit(story.change(None, 2))
    elections = view_of(story).elections
    assert [elections[(NAME, epoch)].leader for epoch in (0, 1, 2)] == [1, 2, 2]
    before = elections[(NAME, 1)].before
    assert before is not None
    assert before.isr == (1, 2, 3)


def test_partitions_are_found_by_isr_member() -> None:
    story = Story()
    story.commit(story.change((1, 2)))
    view = view_of(story)
    assert (view.in_isr_of(2), view.in_isr_of(3)) == ([NAME], [])
    story.commit(("RemoveTopicRecord", {"topic_id": TOPIC_ID}))
    assert view_of(story).in_isr_of(2) == []


def test_a_registration_changes_field_by_field() -> None:
    story = Story()
    story.register(3)
    assert not view_of(story).brokers[3].eligible
    story.commit(story.unfence(3))
    registered = view_of(story).brokers[3]
    assert (registered.incarnation, registered.eligible, registered.broker_epoch) == ("3-2", True, 5)


def test_a_broker_change_tells_a_new_incarnation_from_the_same_one() -> None:
    story = Story()
    story.register(3)
    story.commit(story.unfence(3))
    view, told = MetadataView(story.header), []
    for event in story.events:
        changes = view.apply(event) if event.f == "metadata-applied" else None
        told += [change.is_new_incarnation for change in (changes.brokers if changes is not None else ())]
    assert told == [True, True, True, True, False]


def test_settings_are_the_topics_then_the_dynamic_default_then_the_property() -> None:
    story = Story()
    story.header["properties"]["unclean.leader.election.enable"] = "false"
    assert view_of(story).setting(TOPIC, "min.insync.replicas", "1") == "2"
    assert not view_of(story).is_on(TOPIC, "unclean.leader.election.enable")
    story.commit(("ConfigRecord", {
        "resource_type": "broker", "resource_name": "", "name": "min.insync.replicas", "value": "3"}))
    assert view_of(story).setting(TOPIC, "min.insync.replicas", "1") == "3"
    story.commit(("ConfigRecord", {
        "resource_type": "topic", "resource_name": TOPIC, "name": "min.insync.replicas", "value": "1"}))
    assert view_of(story).setting(TOPIC, "min.insync.replicas", "1") == "1"
    story.commit(("RemoveTopicRecord", {"topic_id": TOPIC_ID}))
    assert view_of(story).setting(TOPIC, "min.insync.replicas", "1") == "3"


def test_a_contradicting_report_is_noted_and_ignored() -> None:
    story = Story()
    assert view_of(story).contradicted is None
    story.offset -= 1
    story.commit(story.change((3,), 3))
    view = view_of(story)
    assert view.contradicted is not None
    assert view.partitions[NAME].isr == (1, 2, 3)
