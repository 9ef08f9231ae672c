"""AclEnforced: fires on decisions against the applied ACLs, and on no others."""

import pytest
from written_history import WrittenHistory

from fencepost.checkers.authorisation import decide

DENY = ("User:client2", "WRITE", "DENY", "topic", "orders")
ALLOW = ("User:client2", "WRITE", "ALLOW", "topic", "orders")
FIELDS = ("principal", "operation", "permission", "resource_type", "resource_name")


def record(acl: tuple[str, ...], remove: bool = False) -> tuple[str, dict]:
    return ("Remove" if remove else "") + "AccessControlEntryRecord", dict(zip(FIELDS, acl, strict=True))


def with_acls(*records: tuple[str, dict]) -> WrittenHistory:
    """The records are committed at offsets 40, 41, ..."""
    history = WrittenHistory()
    history.commit(100)
    for offset, each in enumerate(records, 40):
        history.applied(1, offset + 1, f"image {offset}", (offset, *each))
    return history


def decided(
    history: WrittenHistory, allowed: bool, offset: int, operation: str = "WRITE", principal: str = "User:client2",
) -> None:
    value = {"principal": principal, "operation": operation, "allowed": allowed, "metadata_offset": offset}
    history.observe("authorised", 11, value, key="topic:orders")


def test_a_request_allowed_against_an_applied_denial():
    history = with_acls(record(ALLOW), record(DENY))
    decided(history, True, 45)
    (violation,) = history.violations("AclEnforced")
    assert violation.node == 11
    assert "broker 11 allowed User:client2 the operation WRITE on topic:orders" in violation.message
    assert "the ACL User:client2 WRITE DENY topic orders (event 4) decides: it must be refused" in violation.message


@pytest.mark.parametrize(("offset", "rules"), [(41, []), (42, ["AclEnforced"])])
def test_a_denial_that_the_broker_has_not_applied_yet_does_not_bind_it(offset, rules):
    history = with_acls(record(ALLOW), record(DENY))
    decided(history, True, offset)
    assert history.rules() == rules


def test_a_denial_that_was_removed_does_not_bind():
    history = with_acls(record(ALLOW), record(DENY), record(DENY, remove=True))
    decided(history, True, 45)
    assert history.rules() == []


def test_a_request_refused_against_the_applied_acls():
    history = with_acls(record(ALLOW))
    decided(history, False, 45)
    assert history.rules() == ["AclEnforced"]


def test_a_decision_may_come_before_any_controller_has_shown_the_records():
    history = WrittenHistory()
    history.commit(100)
    decided(history, True, 42)
    history.applied(1, 41, "image 40", (40, *record(ALLOW)))
    history.applied(1, 42, "image 41", (41, *record(DENY)))
    assert history.rules() == ["AclEnforced"]


def test_a_decision_at_an_offset_with_nothing_but_empty_records_before_it():
    history = with_acls(record(ALLOW), record(DENY))
    decided(history, False, 90)
    assert history.rules() == []


def test_resources_without_acls_are_left_to_the_setting():
    history = with_acls(record(("User:client2", "WRITE", "DENY", "topic", "clicks")))
    decided(history, True, 45)
    assert history.rules() == []


@pytest.mark.parametrize(
    ("acls", "operation", "allowed"),
    [
        ([ALLOW], "WRITE", True),
        ([ALLOW], "READ", False),
        ([ALLOW], "DESCRIBE", True),
        ([("User:client2", "ALL", "ALLOW", "topic", "*")], "READ", True),
        ([ALLOW, ("User:*", "ALL", "DENY", "topic", "orders")], "WRITE", False),
        ([ALLOW, ("User:client3", "WRITE", "DENY", "topic", "orders")], "WRITE", True),
        ([("User:client3", "WRITE", "ALLOW", "topic", "orders")], "WRITE", False),
        ([("User:client2", "CREATE", "ALLOW", "topic", "orders")], "DESCRIBE", False),
    ],
)
def test_what_acls_say(acls, operation, allowed):
    assert decide(acls, "User:client2", operation)[0] is allowed
