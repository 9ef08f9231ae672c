"""Sessions at the leader: which live, who owns them, when they expire (SessionTrackerImpl, ExpiryQueue).

A session expires at the next tick boundary after its last touch plus its time-out. The leader hears of touches at once
from its own clients, and of others' with its learners' answers to pings. A new leader gives every session its whole
time-out again.
"""

from collections.abc import Callable

from fencepost.model.kernel.node import Node
from fencepost.model.protocol.zookeeper import SESSIONEXPIRED, SESSIONMOVED

#: The owner of the sessions whose clients are connected to the leader itself.
OWN_CLIENTS = 0


class _Session:
    """One session. `owner` is None until somebody writes or revalidates."""

    __slots__ = ("closing", "expires_us", "owner", "timeout_us", "touched_us")

    def __init__(self, timeout_us: int) -> None:
        self.timeout_us = timeout_us
        self.closing = False
        self.owner: int | None = None
        self.touched_us = 0
        self.expires_us = 0


class SessionTracker:
    """The sessions of the ensemble. `expire(session id)` is called for each that has run out, once."""

    def __init__(self, node: Node, tick_time_us: int, expire: Callable[[int], None]) -> None:
        self._node = node
        self._tick_time_us = tick_time_us
        self._expire = expire
        self._sessions: dict[int, _Session] = {}
        #: tick boundary -> the sessions that may expire then
        self._buckets: dict[int, dict[int, None]] = {}
        self._stopped = False

    def stop(self) -> None:
        """Expire nothing any more: this server no longer leads."""
        self._stopped = True

    def track(self, session_id: int, timeout_us: int) -> None:
        """A session begins here, or is taken over by a new leader."""
        if session_id not in self._sessions:
            self._sessions[session_id] = _Session(timeout_us)
        self.touch(session_id, timeout_us)

    def remove(self, session_id: int) -> None:
        """The session's end is committed."""
        self._sessions.pop(session_id, None)

    def touch(self, session_id: int, timeout_us: int) -> bool:
        """The session's client has been heard of; whether the session lives."""
        session = self._sessions.get(session_id)
        if session is None or session.closing:
            return False
        session.timeout_us = timeout_us
        session.touched_us = self._node.now_us
        expires_us = self.expiry_us(self._node.now_us, timeout_us)
        if expires_us > session.expires_us:
            session.expires_us = expires_us
            self._enter_bucket(session_id, expires_us)
        return True

    def set_closing(self, session_id: int) -> None:
        """The session's end is proposed: nothing of it is accepted any more."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.closing = True

    def set_owner(self, session_id: int, owner: int) -> None:
        """The session's client has moved to this connection of a server."""
        self._sessions[session_id].owner = owner

    # --- guards -------------------------------------------------------------------------------------------------------

    def session_error(self, session_id: int, owner: int) -> str | None:
        """Why a request of this session, come by this owner, is refused; None when it may pass."""
        session = self._sessions.get(session_id)
        if session is None or session.closing:
            return SESSIONEXPIRED
        if session.owner is None:
            session.owner = owner
        return SESSIONMOVED if self.has_moved(session.owner, owner) else None

    def has_moved(self, owner: int, sender: int) -> bool:
        """Whether a request comes from a connection that the client has left."""
        return owner != sender

    def expiry_us(self, now_us: int, timeout_us: int) -> int:
        """When a session touched now expires: at the next tick boundary after its time-out."""
        return ((now_us + timeout_us) // self._tick_time_us + 1) * self._tick_time_us

    # --- expiry -------------------------------------------------------------------------------------------------------

    def _enter_bucket(self, session_id: int, expires_us: int) -> None:
        bucket = self._buckets.get(expires_us)
        if bucket is None:
            bucket = self._buckets[expires_us] = {}
            self._node.schedule(expires_us - self._node.now_us, self._expire_bucket, expires_us)
        bucket[session_id] = None

    def _expire_bucket(self, expires_us: int) -> None:
        bucket = self._buckets.pop(expires_us)
        if self._stopped:
            return
        for session_id in bucket:
            session = self._sessions.get(session_id)
            if session is not None and not session.closing and session.expires_us == expires_us:
                session.closing = True
                value = {
                    "session": session_id, "timeout_us": session.timeout_us,
                    "silent_us": self._node.now_us - session.touched_us}
                self._node.observe("zk-session-expired", value=value)
                self._expire(session_id)

    def close_now(self, session_id: int) -> bool:
        """End a session before its time, as whoever knows its password can; whether it lived."""
        session = self._sessions.get(session_id)
        if session is None or session.closing or self._stopped:
            return False
        session.closing = True
        self._expire(session_id)
        return True
