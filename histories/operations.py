"""One line of anybody's history: a client's invocation or completion, in Jepsen's terms.

Every reader in `fencepost.histories.formats` gives these, whatever the file looked like, and `pairing` makes calls of
them. Values are plain data: None, bool, int, float, str, list, dict. What another tool writes as a keyword is a str
without its colon; sets are sorted lists; tagged literals are the data behind the tag.
"""

from typing import Any, NamedTuple

#: The process that stands for the nemesis in Jepsen's histories; its lines are not operations of clients.
NEMESIS = "nemesis"


class HistoryOp(NamedTuple):
    """An invocation or a completion.

    index: the history's own index of this line, else its position, from 0.
    time: when, in the history's own unit; None where the history has no times and its order is all there is.
    type: `invoke`, `ok`, `fail` or `info`.
    process: the client, of any hashable kind; None where the history names none, which makes all of it one process.
    f: the function's name.
    key: what it is about, where the history has a field of its own for that.
    value: the argument of an invocation, the result of a completion.
    error: why it failed, or why nobody knows.
    extra: every other field of the line, such as `version` or `expected_version`.
    line: the line of the file at which it begins, from 1.
    """

    index: int  # type: ignore[assignment]  # shadows tuple.index, which nobody needs of an operation
    time: int | None
    type: str
    process: Any
    f: str
    key: Any = None
    value: Any = None
    error: Any = None
    extra: dict[str, Any] = {}  # noqa: RUF012  # shared and never changed: most lines have nothing to put there
    line: int = 0
