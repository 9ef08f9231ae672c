"""Keeping Hypothesis from following every line of a simulation.

Once a test has failed, Hypothesis notes each line that runs, to name those that only failing examples run. That makes a
simulated run ten times slower, and the lines that it would name are Fencepost's own, not those of the test.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: The number under which Hypothesis registers with `sys.monitoring`, which came with Python 3.12, and its name there.
_TOOL, _NAME = 3, "scrutineer"


@contextmanager
def untraced() -> Iterator[None]:
    """Hypothesis follows no line in here. Debuggers and coverage are left alone."""
    if sys.version_info >= (3, 12):
        if sys.monitoring.get_tool(_TOOL) != _NAME:
            yield
            return
        events = sys.monitoring.get_events(_TOOL)
        sys.monitoring.set_events(_TOOL, sys.monitoring.events.NO_EVENTS)
        try:
            yield
        finally:
            sys.monitoring.set_events(_TOOL, events)
    else:
        tracing = sys.gettrace()
        if not type(getattr(tracing, "__self__", None)).__module__.startswith("hypothesis."):
            yield
            return
        sys.settrace(None)
        try:
            yield
        finally:
            sys.settrace(tracing)
