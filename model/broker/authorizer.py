"""Authorisation by the ACLs of the broker's applied image (StandardAuthorizer, KIP-801).

A matching DENY wins over any ALLOW; READ, WRITE, DELETE and ALTER imply DESCRIBE when allowed; a resource without any
ACL is open iff
allow.everyone.if.no.acl.found. Super users pass. Left out: hosts and prefixed patterns, which decide by the same rule.
"""

from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.node import Node
from fencepost.model.metadata.image import MetadataImage

_IMPLY_DESCRIBE = ("READ", "WRITE", "DELETE", "ALTER", "DESCRIBE", "ALL")


class Authorizer:
    """Decides about requests of principals; without authorizer.class.name everything is allowed."""

    def __init__(self, node: Node, config: KafkaConfig, image: MetadataImage) -> None:
        self._node = node
        self._image = image
        self._enabled = bool(config.authorizer_class_name)
        self._open_without_acl = config.allow_everyone_if_no_acl_found
        self._super_users = tuple(user.strip() for user in config.super_users.split(";") if user.strip())

    def authorise(self, principal: str, operation: str, resource_type: str, resource_name: str) -> bool:
        """Decide, and leave evidence wherever an ACL speaks about the resource."""
        if not self._enabled or principal in self._super_users:
            return True
        if not self._image.acls:
            return self._open_without_acl
        allowed = self.is_allowed(principal, operation, resource_type, resource_name)
        if self._matching(resource_type, resource_name):
            value = {"principal": principal, "operation": operation, "allowed": allowed,
                     "metadata_offset": self._image.acls_offset(resource_type, resource_name)}
            self._node.observe("authorised", key=f"{resource_type}:{resource_name}", value=value)
        return allowed

    def is_allowed(self, principal: str, operation: str, resource_type: str, resource_name: str) -> bool:
        """The decision of the ACLs alone."""
        entries = self._matching(resource_type, resource_name)
        if not entries:
            return self._open_without_acl
        mine = [acl for acl in entries if acl[0] in (principal, "User:*")]
        if any(acl[2] == "DENY" and acl[1] in (operation, "ALL") for acl in mine):
            return False
        wanted = _IMPLY_DESCRIBE if operation == "DESCRIBE" else (operation, "ALL")
        return any(acl[2] == "ALLOW" and acl[1] in wanted for acl in mine)

    def _matching(self, resource_type: str, resource_name: str) -> list[tuple[str, str, str, str, str]]:
        return [acl for acl in self._image.acls if acl[3] == resource_type and acl[4] in (resource_name, "*")]
