"""Access control entries (AclControlManager). An entry is known by its five fields; the controller only keeps them, and
brokers decide by the entries of their applied image."""

from typing import Any

from fencepost.model.controller.result import Result
from fencepost.model.metadata.image import MetadataImage
from fencepost.model.metadata.records import AccessControlEntryRecord, RemoveAccessControlEntryRecord
from fencepost.model.protocol.controller import AdminResponse

_FIELDS = AccessControlEntryRecord._fields


class AclControl:
    """Adds and removes entries; both are idempotent."""

    def __init__(self, image: MetadataImage) -> None:
        self._image = image

    def create(self, arguments: dict[str, Any]) -> Result:
        """create-acl: no record if the entry is there already."""
        entry = AccessControlEntryRecord(*(arguments[name] for name in _FIELDS))
        exists = tuple(entry) in self._image.acls
        return Result([] if exists else [entry], AdminResponse(None, {"created": not exists}))

    def delete(self, arguments: dict[str, Any]) -> Result:
        """delete-acl: no record if there is no such entry."""
        entry = RemoveAccessControlEntryRecord(*(arguments[name] for name in _FIELDS))
        exists = tuple(entry) in self._image.acls
        return Result([entry] if exists else [], AdminResponse(None, {"deleted": exists}))
