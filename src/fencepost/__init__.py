"""Fencepost: fault injection and consistency checking for Kafka's control plane and the data it protects.

The short way in from Python::

    from fencepost import RunSpec, run

    result = run(RunSpec(seed=7))
    print(result.verdict, result.digest)

Names are imported when they are first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fencepost.harness.run import RunResult, run, store_run
    from fencepost.harness.spec import RunSpec, spec_from_data
    from fencepost.histories.errors import FencepostError
    from fencepost.histories.event import Event
    from fencepost.histories.history import History, read_history
    from fencepost.model.shape import Shape

__version__ = "0.1.0"
__all__ = [
    "Event", "FencepostError", "History", "RunResult", "RunSpec", "Shape", "read_history", "run", "spec_from_data",
    "store_run",
]

_HOMES = {
    "Event": "histories.event", "FencepostError": "histories.errors", "History": "histories.history",
    "RunResult": "harness.run", "RunSpec": "harness.spec", "Shape": "model.shape",
    "read_history": "histories.history", "run": "harness.run", "spec_from_data": "harness.spec",
    "store_run": "harness.run",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'fencepost' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"fencepost.{home}"), name)
