"""Access control entries (AclControlManager). An entry is known by its five fields; the controller only keeps them, and
brokers decide by the entries of their applied image."""

from typing import Any

from fencepost.model import errors
from fencepost.model.controller.result import ApiError, Result
from fencepost.model.metadata.image import MetadataImage
from fencepost.model.metadata.records import (
    CLUSTER_NAME,
    AccessControlEntryRecord,
    RemoveAccessControlEntryRecord,
)
from fencepost.model.protocol.controller import AdminResponse

_FIELDS = AccessControlEntryRecord._fields


class AclControl:
    """Adds and removes entries; both are idempotent."""

    def __init__(self, image: MetadataImage) -> None:
        self._image = image

    def is_resource(self, resource_type: str, resource_name: str) -> bool:
        """Whether there can be such a resource: each has a name; there is one cluster (AclApis.handleCreateAcls)."""
        return bool(resource_name) and (resource_type != "cluster" or resource_name == CLUSTER_NAME)

    def exists(self, entry: tuple[str, ...]) -> bool:
        """Whether there is exactly this entry."""
        return tuple(entry) in self._image.acls

    def create(self, arguments: dict[str, Any]) -> Result:
        """create-acl: no record if the entry is there already. Raises ApiError INVALID_REQUEST."""
        if not self.is_resource(arguments["resource_type"], arguments["resource_name"]):
            raise ApiError(errors.INVALID_REQUEST)
        entry = AccessControlEntryRecord(*(arguments[name] for name in _FIELDS))
        exists = self.exists(entry)
        return Result([] if exists else [entry], AdminResponse(None, {"created": not exists}))

    def delete(self, arguments: dict[str, Any]) -> Result:
        """delete-acl: no record if there is no such entry."""
        entry = RemoveAccessControlEntryRecord(*(arguments[name] for name in _FIELDS))
        exists = self.exists(entry)
        return Result([entry] if exists else [], AdminResponse(None, {"deleted": exists}))
