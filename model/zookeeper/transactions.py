"""Transactions: what the leader makes of a write once all its checks are done, so that applying one cannot fail.

A write that fails is a transaction too (`ErrorTxn`): it uses a zxid and is logged, as in ZooKeeper.
"""

import hashlib
from typing import Any, NamedTuple

from fencepost.model.protocol.zookeeper import Acls

#: A zxid is an epoch and a counter; the counter has this many bits.
COUNTER_BITS = 32


def zxid_of(epoch: int, counter: int) -> int:
    """The zxid of an epoch's `counter`-th transaction."""
    return epoch << COUNTER_BITS | counter


def epoch_of(zxid: int) -> int:
    """The epoch of a zxid."""
    return zxid >> COUNTER_BITS


def counter_of(zxid: int) -> int:
    """The counter of a zxid; 0 is the start of an epoch, which no transaction has."""
    return zxid & ((1 << COUNTER_BITS) - 1)


class CreateTxn(NamedTuple):
    """Create a znode; `parent_cversion` is the parent's count of created children afterwards."""

    path: str
    data: Any
    acl: Acls
    ephemeral: bool
    parent_cversion: int


class DeleteTxn(NamedTuple):
    """Delete a znode."""

    path: str


class SetDataTxn(NamedTuple):
    """Replace the data; `version` is the one afterwards."""

    path: str
    data: Any
    version: int


class SetAclTxn(NamedTuple):
    """Replace the access control list; `version` is the one afterwards."""

    path: str
    acl: Acls
    version: int


class CheckTxn(NamedTuple):
    """Nothing changes: a check within a multi has passed."""

    path: str


class CreateSessionTxn(NamedTuple):
    """The transaction's session begins, with its negotiated time-out."""

    timeout_us: int


class CloseSessionTxn(NamedTuple):
    """The transaction's session ends, and with it the znodes at these paths."""

    paths: tuple[str, ...]


class ErrorTxn(NamedTuple):
    """A write failed; nothing changes. Within a failed multi, `error` None stands before the part that failed."""

    error: str | None


class MultiTxn(NamedTuple):
    """Several changes under one zxid; when one failed, every part is an `ErrorTxn`."""

    parts: tuple["CreateTxn | DeleteTxn | SetDataTxn | CheckTxn | ErrorTxn", ...]


Body = (
    CreateTxn | DeleteTxn | SetDataTxn | SetAclTxn | CheckTxn | CreateSessionTxn | CloseSessionTxn | ErrorTxn | MultiTxn
)


def kind_of(body: Body) -> str:
    """What histories call it: Create, SetData, Multi, ...; Error for whatever failed and changes nothing."""
    if isinstance(body, MultiTxn) and any(isinstance(part, ErrorTxn) for part in body.parts):
        return ErrorTxn.__name__.removesuffix("Txn")
    return type(body).__name__.removesuffix("Txn")


class Transaction(NamedTuple):
    """A body with its place in the total order, and the request that it answers.

    session_id, cxid: the client's session and the number it gave its request.
    digest: of all the rest, by which histories compare transactions.
    """

    zxid: int
    session_id: int
    cxid: int
    body: Body
    digest: str


def transaction(zxid: int, session_id: int, cxid: int, body: Body) -> Transaction:
    """The transaction with its digest."""
    material = repr((zxid, session_id, cxid, type(body).__name__, body)).encode()
    return Transaction(zxid, session_id, cxid, body, hashlib.blake2b(material, digest_size=6).hexdigest())
