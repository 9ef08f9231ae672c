"""Linearizability: is there an order of the operations, within their intervals, that one object could have produced?

Herlihy and Wing's definition (TOPLAS 1990). An operation is an interval from its call to its return; a crashed one
never returned and may have taken effect at any time after its call, or never. Intervals are closed: one that returns at
t and one that is called at t overlap.

    >>> from fencepost.checkers.linearizability import Operation, linearizable, models
    >>> history = [Operation(0, 10, "write", 1), Operation(20, 30, "read", None, 2)]
    >>> linearizable(history, models.REGISTER).verdict
    'invalid'
"""

from fencepost.checkers.linearizability import models
from fencepost.checkers.linearizability.analysis import Analysis, Undecided
from fencepost.checkers.linearizability.budget import Budget, Exhausted, Unlimited, WorkBudget
from fencepost.checkers.linearizability.check import linearizable
from fencepost.checkers.linearizability.counterexample import Death, Frontier
from fencepost.checkers.linearizability.operation import (
    UNOBSERVED,
    Columns,
    Inconsistent,
    Model,
    Operation,
    PartOutcome,
)

__all__ = [
    "UNOBSERVED", "Analysis", "Budget", "Columns", "Death", "Exhausted", "Frontier", "Inconsistent", "Model",
    "Operation", "PartOutcome", "Undecided", "Unlimited", "WorkBudget", "linearizable", "models"]
