"""The prunings of the search, each with the argument why it loses no linearization. All are on unless a test says so.

READ - pending pure operations that fit the state are linearized at once. Such an operation is pending and changes
nothing, so moving it earlier breaks no order. Pure means pure in every state, not "left this state unchanged": a write
of the value that is held anyway may be needed later.

SYM - among pending operations that are alike, only the one with the earliest deadline is tried, crashed ones (no
deadline) last, those in the order of their calls. In any completion the two can be swapped. Alike are operations of one
class, and blind overwrites that leave the same state. That identical crashed operations are interchangeable follows.

DOM - a configuration is dropped when another has the same state and the same returning operations done, but used fewer
crashed ones: a crashed operation need never be linearized. One that would leave the state as it is, is not tried.

ABS - when a blind overwrite y is linearized, every other pending blind overwrite that will return may count as done
just before it (x then y is y alone). So a configuration has two masks, those done for certain (`low`) and those that
may count as done (`high`), and stands for everything between; A covers B when low(A) is within low(B) and high(B)
within high(A). And y followed directly by another overwrite z, with nothing linearized between them, is covered by z
alone.

VALUE - values that are stored but that nobody observes become one symbol, which makes the operations that store them
alike. Only equality with observed values can tell values apart, and none of these equals one.
"""

from typing import NamedTuple


class Prunings(NamedTuple):
    """Which prunings are on."""

    read: bool = True
    sym: bool = True
    dom: bool = True
    abs: bool = True
    value: bool = True


ALL = Prunings()
NONE = Prunings(False, False, False, False, False)
