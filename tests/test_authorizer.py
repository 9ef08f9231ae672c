"""Authorisation by the applied image: DENY wins, super users pass, evidence is left where an ACL speaks."""

import dataclasses

import pytest
from kernel_nodes import two_nodes

from fencepost.model.broker.authorizer import Authorizer
from fencepost.model.config import KafkaConfig
from fencepost.model.metadata.image import MetadataImage
from fencepost.model.metadata.records import AccessControlEntryRecord as Acl

CONFIG = dataclasses.replace(
    KafkaConfig(), authorizer_class_name="StandardAuthorizer", allow_everyone_if_no_acl_found=True)


def decide(acls: list[Acl], principal: str = "User:x", operation: str = "READ", config: KafkaConfig = CONFIG) -> bool:
    image = MetadataImage()
    for offset, acl in enumerate(acls):
        image.apply(acl, offset)
    return Authorizer(two_nodes()[2], config, image).authorise(principal, operation, "topic", "orders")


@pytest.mark.parametrize(("acls", "operation", "allowed"), [
    ([], "READ", True),
    ([Acl("User:x", "READ", "ALLOW", "topic", "orders")], "READ", True),
    ([Acl("User:x", "READ", "ALLOW", "topic", "orders")], "WRITE", False),
    ([Acl("User:y", "READ", "ALLOW", "topic", "orders")], "READ", False),
    ([Acl("User:*", "READ", "ALLOW", "topic", "*")], "READ", True),
    ([Acl("User:x", "ALL", "ALLOW", "topic", "*"), Acl("User:x", "READ", "DENY", "topic", "orders")], "READ", False),
    ([Acl("User:x", "WRITE", "ALLOW", "topic", "orders")], "DESCRIBE", True),
    ([Acl("User:x", "READ", "DENY", "group", "orders")], "READ", True),
])
def test_decisions(acls: list[Acl], operation: str, allowed: bool) -> None:
    assert decide(acls, operation=operation) is allowed


def test_super_users_pass_and_closed_clusters_deny() -> None:
    deny = [Acl("User:admin", "ALL", "DENY", "topic", "*")]
    assert decide(deny, principal="User:admin")
    assert not decide([], config=dataclasses.replace(CONFIG, allow_everyone_if_no_acl_found=False))
    assert decide(deny, config=dataclasses.replace(CONFIG, authorizer_class_name=""))


def test_a_decision_that_an_acl_bears_upon_is_written_down() -> None:
    simulation, _, node, _ = two_nodes()
    image = MetadataImage()
    image.apply(Acl("User:x", "READ", "DENY", "topic", "orders"), 4)
    authorizer = Authorizer(node, CONFIG, image)
    authorizer.authorise("User:x", "READ", "topic", "payments")
    authorizer.authorise("User:x", "READ", "topic", "orders")
    events = [event for event in simulation.recorder.events if event.f == "authorised"]
    assert [(event.key, event.value["allowed"], event.value["metadata_offset"]) for event in events] == [
        ("topic:orders", False, 5)]
