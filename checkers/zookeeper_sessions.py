"""Rules about ZooKeeper's sessions: what a client sees never goes back, and what a session owned goes with it.

*ZkSingleSystemImage.* A client never sees an older state than it has seen, whichever server it moves to. Example: a
client has read at zxid 0x500000007 and is let in by a server whose last zxid is 0x500000003.

*ZkClientOrder.* A session's requests take effect, and are answered, in the order in which they were made. Example: a
client has moved to another server and written there, and what it had asked of the first one before is logged behind.

*ZkEphemeralsGone.* Once a session has ended nothing of it is left and nothing of it takes effect. Example: a session
was closed at zxid 0x500000007, and a read at 0x500000009 still shows an ephemeral of it.

*ZkSessionKept.* A session expires only when the leader has not heard of its client for the session's time-out. Example:
a session with a time-out of 4 s is expired 3 s after its last heartbeat.

*ZkWatchBeforeData.* A client that watches a znode is told of a change before it sees it. Example: a client watches
/controller, and a later answer shows new data of it though no event has come.
"""

from typing import Any

from fencepost.checkers.verdict import Checker, Findings, seconds
from fencepost.histories.event import Event

SINGLE_IMAGE = "ZkSingleSystemImage"
CLIENT_ORDER = "ZkClientOrder"
EPHEMERALS_GONE = "ZkEphemeralsGone"
SESSION_KEPT = "ZkSessionKept"
WATCH_BEFORE_DATA = "ZkWatchBeforeData"

_WRITES = frozenset({"Create", "Delete", "SetData", "SetAcl", "Multi"})


class _Session:
    """What one session's client has seen.

    logged: its last write that took effect, (zxid, request, event).
    data, child: the watches it holds: path -> (the zxid that it has seen there, None where nothing was; event).
    """

    __slots__ = ("child", "data", "logged", "xid", "zxid")

    def __init__(self) -> None:
        #: (the last, event)
        self.xid = (0, -1)
        self.zxid = (0, -1)
        self.logged = (0, 0, -1)
        self.data: dict[str, tuple[int | None, int]] = {}
        self.child: dict[str, tuple[int, int]] = {}


class ZooKeeperSessions(Findings):
    """Checks the rules above; memory grows with the sessions and the watches that they hold."""

    name = "zookeeper-sessions"
    needs = frozenset({"zk-session", "zk-answered", "zk-watch"})
    consumes = frozenset({
        "zk-append", "zk-session", "zk-session-expired", "zk-session-attached", "zk-answered", "zk-watch"})

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        self._sessions: dict[int, _Session] = {}
        #: session -> (zxid of its end, event)
        self._closed: dict[int, tuple[int, int]] = {}

    @property
    def is_applicable(self) -> bool:
        """Only where there is an ensemble."""
        return bool(self.header.get("zookeepers")) and super().is_applicable

    def feed(self, event: Event) -> None:
        """Take the next event."""
        if event.f == "zk-answered":
            self._on_answered(event)
        elif event.f == "zk-append":
            self._on_append(event)
        elif event.f == "zk-watch":
            self._on_watch(event)
        elif event.f == "zk-session-attached":
            self._on_attached(event)
        elif event.f == "zk-session":
            self._on_session(event)
        else:
            self._on_expired(event)

    def _session(self, event: Event) -> _Session:
        return self._of(event.value["session"])

    def _of(self, session: int) -> _Session:
        found = self._sessions.get(session)
        if found is None:
            found = self._sessions[session] = _Session()
        return found

    # --- sessions -----------------------------------------------------------------------------------------------------

    def _on_attached(self, event: Event) -> None:
        seen, has = event.value["last_zxid_seen"], event.value["zxid"]
        if seen > has:
            self.violate(
                SINGLE_IMAGE,
                f"At {seconds(event.time_us)} server {event.node}, whose last zxid is {has:#x}, let in session "
                f"{event.value['session']}, whose client has seen {seen:#x}. A client never goes back in time.", event)

    def _on_session(self, event: Event) -> None:
        if event.value["what"] != "closed":
            return
        session = event.value["session"]
        self._closed.setdefault(session, (event.value["zxid"], event.index))
        if event.value["left"]:
            self.violate(
                EPHEMERALS_GONE,
                f"At {seconds(event.time_us)} server {event.node} has closed session {session} and still has its "
                f"ephemerals {', '.join(event.value['left'])}.", event)

    def _on_expired(self, event: Event) -> None:
        silent_us, timeout_us = event.value["silent_us"], event.value["timeout_us"]
        if silent_us < timeout_us:
            self.violate(
                SESSION_KEPT,
                f"At {seconds(event.time_us)} leader {event.node} expired session {event.value['session']} "
                f"{seconds(silent_us)} after it last heard of its client; its time-out is {seconds(timeout_us)}.",
                event)

    def _on_append(self, event: Event) -> None:
        for zxid, _, kind, session, request in event.value["entries"]:
            if not request or kind == "Error":
                continue
            last_zxid, last, index = self._of(session).logged
            if zxid <= last_zxid:
                continue
            if request < last:
                self.violate(
                    CLIENT_ORDER,
                    f"At {seconds(event.time_us)} server {event.node} logged request {request} of session {session} as "
                    f"zxid {zxid:#x}, behind its later request {last} (zxid {last_zxid:#x}, event {index}).", event,
                    (index,))
            self._of(session).logged = (zxid, request, event.index)

    # --- answers ------------------------------------------------------------------------------------------------------

    def _on_answered(self, event: Event) -> None:
        session, value = self._session(event), event.value
        last, index = session.xid
        if value["xid"] <= last:
            self.violate(
                CLIENT_ORDER,
                f"At {seconds(event.time_us)} session {value['session']} got the answer to request {value['xid']} "
                f"after that to request {last} (event {index}).", event, (index,))
        session.xid = (value["xid"], event.index)
        zxid, index = session.zxid
        if value["zxid"] < zxid:
            self.violate(
                SINGLE_IMAGE,
                f"At {seconds(event.time_us)} session {value['session']} got an answer as of zxid {value['zxid']:#x}, "
                f"after one as of {zxid:#x} (event {index}). A client never goes back in time.", event, (index,))
        session.zxid = (value["zxid"], event.index)
        self._check_owners(event)
        self._check_watches(event, session)
        if value.get("watch"):
            self._arm(event, session)

    def _check_owners(self, event: Event) -> None:
        value = event.value
        closed = self._closed.get(value.get("owner", 0))
        if closed is not None and value["zxid"] >= closed[0]:
            self.violate(
                EPHEMERALS_GONE,
                f"At {seconds(event.time_us)} an answer as of zxid {value['zxid']:#x} shows {value['path']}, an "
                f"ephemeral of session {value['owner']}, which was closed at {closed[0]:#x} (event {closed[1]}).",
                event, (closed[1],))
        own = self._closed.get(value["session"])
        if own is not None and event.error is None and value["operation"] in _WRITES and value["zxid"] > own[0]:
            self.violate(
                EPHEMERALS_GONE,
                f"At {seconds(event.time_us)} session {value['session']} wrote {value['path']} at zxid "
                f"{value['zxid']:#x}, after its end at {own[0]:#x} (event {own[1]}).", event, (own[1],))

    # --- watches ------------------------------------------------------------------------------------------------------

    def _arm(self, event: Event, session: _Session) -> None:
        value, path = event.value, event.value["path"]
        if event.error is None:
            if value["operation"] == "GetChildren":
                session.child[path] = (value["pzxid"], event.index)
            else:
                session.data[path] = (value["mzxid"], event.index)
        elif event.error == "NONODE" and value["operation"] == "Exists":
            session.data[path] = (None, event.index)

    def _on_watch(self, event: Event) -> None:
        session, path = self._session(event), event.value["path"]
        if event.value["type"] != "child":
            session.data.pop(path, None)
        if event.value["type"] in ("child", "deleted"):
            session.child.pop(path, None)

    def _check_watches(self, event: Event, session: _Session) -> None:
        path = event.value["path"]
        watched = session.data.get(path)
        if watched is not None and self._shows_news(event, watched[0], "mzxid"):
            self._unseen(event, watched[1], "data")
            del session.data[path]
        watched_list = session.child.get(path)
        if watched_list is not None and self._shows_news(event, watched_list[0], "pzxid"):
            self._unseen(event, watched_list[1], "list of children")
            del session.child[path]

    def _shows_news(self, event: Event, armed: int | None, field: str) -> bool:
        """Whether an answer shows that a watched znode is no longer as it was when the watch was armed."""
        value = event.value
        if event.error == "NONODE":
            return armed is not None and value["operation"] != "Create"
        if field not in value:
            return False
        return bool(armed is None or value[field] > armed)

    def _unseen(self, event: Event, armed: int, what: str) -> None:
        value = event.value
        self.violate(
            WATCH_BEFORE_DATA,
            f"At {seconds(event.time_us)} session {value['session']} got an answer to {value['operation']} that shows "
            f"a change of the {what} of {value['path']}, which it watches (event {armed}), and no event has told it.",
            event, (armed,))


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header."""
    return [ZooKeeperSessions(header)]
