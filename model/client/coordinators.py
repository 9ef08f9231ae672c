"""Which broker coordinates a group, as a client knows it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from fencepost.model import errors
from fencepost.model.protocol.group import FindCoordinatorRequest, FindCoordinatorResponse

if TYPE_CHECKING:
    from fencepost.model.client.client_node import ClientNode

#: Answers, and silence, that say to look for the coordinator again.
COORDINATOR_MOVED = (errors.NOT_COORDINATOR, errors.COORDINATOR_NOT_AVAILABLE, errors.DISCONNECTED)


class Coordinators:
    """A cache that is asked by callback: `then(broker id, *args)`, or with None when nobody could tell now."""

    def __init__(self, client: "ClientNode") -> None:
        self._client = client
        self._known: dict[str, int] = {}

    def find(self, group: str, then: Callable[..., None], *args: object) -> None:
        """Go on with the group's coordinator, asking any broker if it is not known."""
        known = self._known.get(group)
        if known is not None:
            then(known, *args)
            return
        client = self._client
        client.request(
            client.any_broker(), "coordinator", FindCoordinatorRequest(group, client.principal),
            client.config.request_timeout_us // 3, self._on_found, group, then, args)

    def _on_found(
        self, response: FindCoordinatorResponse | None, group: str, then: Callable[..., None], args: tuple[object, ...]
    ) -> None:
        if response is None or response.error is not None:
            then(None, *args)
            return
        self._known[group] = response.coordinator_id
        then(response.coordinator_id, *args)

    def note_answer(self, group: str, broker: int, error: str | None) -> None:
        """What a coordinator's answer says of its office."""
        if error in COORDINATOR_MOVED and self._known.get(group) == broker:
            del self._known[group]
