"""What clients are told of the metadata: each rule fires on a history that breaks it, and on no innocent one."""

from typing import Any

import pytest
from written_history import WrittenHistory


def committed(**header: Any) -> WrittenHistory:
    """Topic orders exists from offset 30 to 35, and again from 37 on; its retention.ms is set at offset 38."""
    history = WrittenHistory(**header)
    history.commit(100)
    history.applied(
        1, 39, "image",
        (30, "TopicRecord", {"name": "orders", "topic_id": "t"}),
        (35, "RemoveTopicRecord", {"topic_id": "t"}),
        (37, "TopicRecord", {"name": "orders", "topic_id": "u"}),
        (38, "ConfigRecord", {
            "resource_type": "topic", "resource_name": "orders", "name": "retention.ms", "value": "7"}))
    history.applied(1, 41, "later", (40, "AccessControlEntryRecord", {
        "principal": "User:a", "operation": "READ", "permission": "DENY", "resource_type": "topic",
        "resource_name": "orders"}))
    return history


def describe_topics(history: WrittenHistory, topics: dict[str, str], offset: int, process: int = 0) -> None:
    history.client("invoke", "describe-topics", None, {}, process)
    history.client("ok", "describe-topics", None, {"topics": topics, "node": 11, "offset": offset}, process)


@pytest.mark.parametrize(
    ("topics", "offset", "guilty"),
    [
        ({}, 29, False), ({"orders": "t"}, 30, False), ({"orders": "t"}, 34, False), ({}, 35, False),
        ({"orders": "u"}, 90, False), ({"orders": "t"}, 35, True), ({}, 34, True), ({"orders": "t"}, 37, True),
        ({"orders": "u", "clicks": "v"}, 37, True),
    ],
)
def test_topics_are_those_at_the_offset(topics, offset, guilty):
    history = committed()
    describe_topics(history, topics, offset)
    assert history.rules() == (["CommittedMetadataRead"] if guilty else [])


@pytest.mark.parametrize(
    ("entries", "offset", "guilty"),
    [({}, 37, False), ({"retention.ms": "7"}, 38, False), ({"retention.ms": "7"}, 37, True), ({}, 38, True)],
)
def test_settings_are_those_at_the_offset(entries, offset, guilty):
    history = committed()
    history.client("invoke", "describe-config", "orders", {})
    history.client("ok", "describe-config", "orders", {"entries": entries, "node": 11, "offset": offset})
    assert history.rules() == (["CommittedMetadataRead"] if guilty else [])


def test_a_read_may_come_before_any_controller_has_shown_the_records():
    history = WrittenHistory()
    describe_topics(history, {"orders": "t"}, 30)
    history.commit(100)
    history.applied(1, 31, "image", (30, "TopicRecord", {"name": "orders", "topic_id": "t"}))
    assert history.rules() == []


@pytest.mark.parametrize(("process", "guilty"), [(0, True), (6, True), (1, False)])
def test_a_broker_that_goes_back_for_one_client(process, guilty):
    history = committed(clients=[1001, 1002, 1003, 1004, 1005, 1006])
    describe_topics(history, {}, 36)
    describe_topics(history, {"orders": "t"}, 34, process)
    assert history.rules() == (["MonotonicMetadataRead"] if guilty else [])


def write(history: WrittenHistory, f: str, key: str, invoked: dict[str, Any], type_: str, result: Any) -> None:
    history.client("invoke", f, key, invoked)
    history.client(type_, f, key, result)


@pytest.mark.parametrize(
    ("f", "key", "invoked", "result"),
    [
        ("create-topic", "orders", {"partitions": 1}, {"topic_id": "t"}),
        ("delete-topic", "orders", {}, {"topic_id": "t"}),
        ("alter-config", "orders", {"name": "retention.ms", "value": "7"}, {}),
        ("create-acl", "topic:orders", {"principal": "User:a", "operation": "READ", "permission": "DENY"}, {}),
    ],
)
def test_what_was_acknowledged_is_committed(f, key, invoked, result):
    history = committed()
    write(history, f, key, invoked, "ok", result)
    assert history.rules() == []


@pytest.mark.parametrize(
    ("f", "key", "invoked", "result"),
    [
        ("create-topic", "orders", {"partitions": 1}, {"topic_id": "w"}),
        ("create-topic", "clicks", {"partitions": 1}, {"topic_id": "t"}),
        ("delete-topic", "orders", {}, {"topic_id": "u"}),
        ("alter-config", "orders", {"name": "retention.ms", "value": "8"}, {}),
        ("create-acl", "topic:orders", {"principal": "User:b", "operation": "READ", "permission": "DENY"}, {}),
    ],
)
def test_what_was_acknowledged_and_is_not_committed(f, key, invoked, result):
    history = committed()
    write(history, f, key, invoked, "ok", result)
    assert history.rules() == ["AcknowledgedMetadataWrite"]
    history = committed()
    write(history, f, key, invoked, "info", None)
    assert history.rules() == []


@pytest.mark.parametrize(("topic", "name", "guilty"), [
    ("orders", "min.insync.replicas", False), ("orders", "retention.ms", True), ("clicks", "retention.ms", True)])
def test_deleting_a_setting_that_there_is_not_writes_nothing(topic, name, guilty):
    history = WrittenHistory()
    history.commit(9)
    history.applied(
        1, 2, "image", (0, "TopicRecord", {"name": "orders", "topic_id": "t"}),
        (1, "ConfigRecord", {
            "resource_type": "topic", "resource_name": "orders", "name": "retention.ms", "value": "7"}))
    write(history, "alter-config", topic, {"name": name, "value": None}, "ok", {})
    assert history.rules() == (["AcknowledgedMetadataWrite"] if guilty else [])


def test_deleting_a_setting_of_a_topic_that_never_had_one():
    history = WrittenHistory()
    history.commit(9)
    history.applied(1, 1, "image", (0, "TopicRecord", {"name": "orders", "topic_id": "t"}))
    write(history, "alter-config", "orders", {"name": "retention.ms", "value": None}, "ok", {})
    assert history.rules() == []
