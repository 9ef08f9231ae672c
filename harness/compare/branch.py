"""A task in a copy of this process: what it does to a cluster is gone afterwards, and the cluster need not start anew.

Where processes cannot fork, `CAN_BRANCH` says so, and whoever asks has to make the cluster again.
"""

import os
import pickle
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from fencepost.histories.errors import FencepostError

CAN_BRANCH = hasattr(os, "fork")


def in_a_branch(task: Callable[..., Any], *args: Any) -> Any:
    """The task's value, which must pickle. Raises FencepostError: the task's own, or what became of the copy."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(writing, task, args)
    os.close(writing)
    before = signal.signal(signal.SIGTERM, _end)
    try:
        with os.fdopen(reading, "rb") as stream:
            answer = stream.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    if code != 0:
        raise FencepostError(f"a measuring process ended with {code} (killed for want of memory, perhaps)")
    value, error = pickle.loads(answer)
    if error is not None:
        raise error
    return value


def _answer(writing: int, task: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """The copy's life; it never returns."""
    code = 1
    try:
        try:
            answer: tuple[Any, FencepostError | None] = (task(*args), None)
        except FencepostError as error:
            answer = (None, error)
        with os.fdopen(writing, "wb") as stream:
            stream.write(pickle.dumps(answer))
        code = 0
    finally:
        if code:
            sys.excepthook(*sys.exc_info())
        os._exit(code)


def _end(number: int, frame: FrameType | None) -> None:
    """The copy must not outlive its original."""
    sys.exit(128 + number)
