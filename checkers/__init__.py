"""History in, verdict out: each checker in its own file, fed one event at a time.

`linearizable` judges any history by a model of the object; see `fencepost.checkers.linearizability`.
"""

from fencepost.checkers.linearizability.check import linearizable

__all__ = ["linearizable"]
