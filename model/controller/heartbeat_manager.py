"""What the active controller remembers of its brokers' heartbeats (BrokerHeartbeatManager, BrokerHeartbeatTracker of
4.0).

All of it is soft state: a newly active controller starts with every registered broker's session as if it had just been
heard, and knows no metadata offset and no controlled shutdown until the brokers' next heartbeats. Sessions belong to a
(broker id, broker epoch), whether the broker is fenced or not. Times are monotonic.
"""

from dataclasses import dataclass

#: Greater than every offset: no active broker holds a shutdown back.
NO_ACTIVE_BROKER = 1 << 62


@dataclass(slots=True)
class HeartbeatState:
    """One broker.

    metadata_offset: the last that the broker reported, -1 before.
    controlled_shutdown_offset: what every active broker must have applied before this one may go, -1 when it does not
        shut down.
    """

    metadata_offset: int = -1
    controlled_shutdown_offset: int = -1

    @property
    def shutting_down(self) -> bool:
        """The broker is in its controlled shutdown, as far as this controller has heard."""
        return self.controlled_shutdown_offset >= 0


class HeartbeatManager:
    """Sessions and soft state of the brokers; `session_us` is broker.session.timeout.ms."""

    def __init__(self, session_us: int) -> None:
        self._session_us = session_us
        self._contact_us: dict[tuple[int, int], int] = {}
        self.states: dict[int, HeartbeatState] = {}

    def state(self, broker_id: int) -> HeartbeatState:
        """The broker's state, a fresh one at first."""
        state = self.states.get(broker_id)
        if state is None:
            state = self.states[broker_id] = HeartbeatState()
        return state

    def forget(self, broker_id: int) -> None:
        """A new incarnation registers: what was known of the old one does not hold for it."""
        self.states.pop(broker_id, None)

    # --- sessions -------------------------------------------------------------------------------------------------

    def contact(self, broker_id: int, broker_epoch: int, now_us: int) -> None:
        """The broker was heard."""
        self._contact_us[(broker_id, broker_epoch)] = now_us

    def has_valid_session(self, broker_id: int, broker_epoch: int, now_us: int) -> bool:
        """The broker was heard within the session time-out."""
        contact_us = self._contact_us.get((broker_id, broker_epoch))
        return contact_us is not None and not self._is_expired(contact_us, now_us)

    def take_expired(self, now_us: int) -> tuple[int, int] | None:
        """Forget one expired session, if there is any, and return its (broker id, broker epoch)."""
        for session, contact_us in self._contact_us.items():
            if self._is_expired(contact_us, now_us):
                del self._contact_us[session]
                return session
        return None

    def _is_expired(self, contact_us: int, now_us: int) -> bool:
        return contact_us + self._session_us < now_us
