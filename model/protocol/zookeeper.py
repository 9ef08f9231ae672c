"""ZooKeeper's client protocol: operations, results, watch events, and the messages between a client and its server.

A client and its server share one ordered connection on which either side sends when it likes. Data is any hashable
plain value that nobody changes (Kafka's znodes hold JSON; the model's hold tuples or strings).

Left out: passwords of sessions (nobody guesses a session's id), containers and TTLs, quotas, persistent watches,
read-only servers, dynamic reconfiguration and observers: Kafka uses none of them.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

CLIENT_CHANNEL = "zookeeper"

# Error codes, by ZooKeeper's own names (KeeperException.Code). None stands for OK.
NONODE = "NONODE"
NODEEXISTS = "NODEEXISTS"
BADVERSION = "BADVERSION"
NOTEMPTY = "NOTEMPTY"
NOCHILDRENFOREPHEMERALS = "NOCHILDRENFOREPHEMERALS"
CONNECTIONLOSS = "CONNECTIONLOSS"
SESSIONEXPIRED = "SESSIONEXPIRED"
SESSIONMOVED = "SESSIONMOVED"
NOAUTH = "NOAUTH"
INVALIDACL = "INVALIDACL"
BADARGUMENTS = "BADARGUMENTS"
RUNTIMEINCONSISTENCY = "RUNTIMEINCONSISTENCY"

# Permissions (ZooDefs.Perms).
READ, WRITE, CREATE, DELETE, ADMIN = 1, 2, 4, 8, 16
ALL = 31

#: What a client is known as: (scheme, id).
Identity = tuple[str, str]


class Acl(NamedTuple):
    """One entry of a znode's access control list: whoever has this identity has these permissions."""

    permissions: int
    scheme: str
    id: str


Acls = tuple[Acl, ...]

OPEN_ACL: Acls = (Acl(ALL, "world", "anyone"),)
READ_ACL: Acls = (Acl(READ, "world", "anyone"),)
#: The creator, by whatever it is authenticated as (ZooDefs.Ids.CREATOR_ALL_ACL).
CREATOR_ALL_ACL: Acls = (Acl(ALL, "auth", ""),)


class Stat(NamedTuple):
    """What a client sees of a znode besides its data.

    czxid, mzxid, pzxid: the transaction that created it, last set its data, last changed its list of children.
    version, cversion, aversion: how often its data, its children, its access control list were changed.
    ephemeral_owner: the id of the session with which it goes, or 0.
    """

    czxid: int
    mzxid: int
    pzxid: int
    version: int
    cversion: int
    aversion: int
    ephemeral_owner: int
    data_length: int
    num_children: int


class CreateOp(NamedTuple):
    """Create a znode; the path of a sequential one is completed with its parent's counter."""

    path: str
    data: Any
    ephemeral: bool = False
    sequential: bool = False
    acl: Acls = OPEN_ACL


class DeleteOp(NamedTuple):
    """Delete a znode without children; version -1 matches any."""

    path: str
    version: int = -1


class SetDataOp(NamedTuple):
    """Replace a znode's data; version -1 matches any."""

    path: str
    data: Any
    version: int = -1


class SetAclOp(NamedTuple):
    """Replace a znode's access control list; the version is that of the list. Not allowed within a multi."""

    path: str
    acl: Acls
    version: int = -1


class CheckOp(NamedTuple):
    """Within a multi: the znode must exist and have this version (-1: any)."""

    path: str
    version: int = -1


class MultiOp(NamedTuple):
    """All of these or none of them, as one transaction."""

    operations: tuple["CreateOp | DeleteOp | SetDataOp | CheckOp", ...]


class CreateSessionOp(NamedTuple):
    """Begin a session; what a server submits for a client that has none."""

    timeout_us: int


class CloseSessionOp(NamedTuple):
    """End a session: its ephemerals go."""


class GetDataOp(NamedTuple):
    """Read a znode's data and stat; with `watch`, be told once of a change or the deletion."""

    path: str
    watch: bool = False


class ExistsOp(NamedTuple):
    """Read a znode's stat; with `watch`, be told once of its creation, a change or the deletion."""

    path: str
    watch: bool = False


class GetChildrenOp(NamedTuple):
    """Read the sorted names of a znode's children; with `watch`, be told once when the list changes."""

    path: str
    watch: bool = False


class GetAclOp(NamedTuple):
    """Read a znode's access control list."""

    path: str


class SyncOp(NamedTuple):
    """Let this server catch up with what its leader has committed. No quorum read: a leader that was deposed while it
    was paused answers at once."""

    path: str


class SetWatchesOp(NamedTuple):
    """Arm the watches again on a new connection; what changed since `relative_zxid` is told at once."""

    relative_zxid: int
    data: tuple[str, ...]
    exist: tuple[str, ...]
    child: tuple[str, ...]


WriteOp = CreateOp | DeleteOp | SetDataOp | SetAclOp | CheckOp | MultiOp | CreateSessionOp | CloseSessionOp
ReadOp = GetDataOp | ExistsOp | GetChildrenOp | GetAclOp | SyncOp | SetWatchesOp
Operation = WriteOp | ReadOp
MultiPart = CreateOp | DeleteOp | SetDataOp | CheckOp

# What happened to a znode, as a watch event's type.
CREATED, DELETED, CHANGED, CHILD = "created", "deleted", "changed", "child"


class WatchEvent(NamedTuple):
    """A one-time notification: `type` is created, deleted, changed (the data) or child (the list of children)."""

    type: str
    path: str


class ZkResult(NamedTuple):
    """The answer to one operation.

    error: None, or one of the codes above. CONNECTIONLOSS: nobody knows whether it took effect.
    value: the data, the tuple of the children's names, or the access control list.
    path: of a created znode, with its sequence number.
    results: of a multi, one for each operation. A failed multi has error None before the operation that failed and
        RUNTIMEINCONSISTENCY after it, and its own error is that operation's.
    """

    error: str | None = None
    value: Any = None
    stat: Stat | None = None
    path: str | None = None
    results: tuple["ZkResult", ...] | None = None


# --- messages ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class ConnectRequest:
    """The first message on a connection. session_id 0 asks for a new session; zxids seen make a laggard refuse."""

    session_id: int
    timeout_us: int
    last_zxid_seen: int
    identities: tuple[Identity, ...]


@dataclass(slots=True)
class ConnectResponse:
    """session_id 0: the session is over. timeout_us is the negotiated one."""

    session_id: int
    timeout_us: int


@dataclass(slots=True)
class ClientRequest:
    """An operation; answers come in the order of the requests."""

    xid: int
    operation: Operation


@dataclass(slots=True)
class ClientReply:
    """An answer; zxid is the server's last one, or the write's own."""

    xid: int
    zxid: int
    result: ZkResult


@dataclass(slots=True)
class ClientPing:
    """A heartbeat, which the server answers with another."""
