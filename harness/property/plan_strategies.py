"""Strategies for what the clients of a system of one's own do: `plans` of rounds, and `interleavings`."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from fencepost.harness.property.interleaving import Interleaving
from fencepost.harness.property.system import Call
from fencepost.histories.errors import InputError

#: A call is left for others at most so often, each time after at most so many turns of its own.
_CHANGES, _LONGEST = 2, 8


def calls(functions: Mapping[str, st.SearchStrategy[Any]], clients: int = 3) -> st.SearchStrategy[Call]:
    """One call. functions: each by name, with a strategy for its argument. Shrinks to the first, of client 0.

    Raises InputError where there is no function or no client.
    """
    if not functions or clients < 1:
        raise InputError(f"functions={dict(functions)!r}, clients={clients!r}: allowed is at least one of each")
    own = [st.builds(Call, st.integers(0, clients - 1), st.just(f), argument) for f, argument in functions.items()]
    return st.one_of(own)


def plans(
    functions: Mapping[str, st.SearchStrategy[Any]], clients: int = 3, max_calls: int = 12
) -> st.SearchStrategy[list[list[Call]]]:
    """Plans for `exercise`: rounds of at most one call of each client, which run at once. See `calls`.

    They shrink to few calls, one after the other.
    """
    step = st.tuples(calls(functions, clients), st.booleans())
    return st.lists(step, max_size=max_calls).map(_rounds)


def interleavings(
    functions: Mapping[str, st.SearchStrategy[Any]], clients: int = 3, max_calls: int = 8
) -> st.SearchStrategy[Interleaving]:
    """Calls, and who has the next turn each time that one gives way; shrinks to few calls and few changes. See `calls`.

    Most bugs need few changes at the right places (Burckhardt and others, ASPLOS 2010), so few are drawn.
    """
    change = st.tuples(st.integers(0, _LONGEST), st.integers(1, max(1, clients - 1)))
    none: st.SearchStrategy[list[int]] = st.builds(list)
    some = st.lists(change, min_size=1, max_size=_CHANGES).map(_turns)
    return st.lists(st.tuples(calls(functions, clients), none | some), max_size=max_calls).map(_interleaving)


def _rounds(steps: list[tuple[Call, bool]]) -> list[list[Call]]:
    """Each call in a round of its own, or together with those before it if it is to be, and its client is free."""
    rounds: list[list[Call]] = []
    for call, together in steps:
        if together and rounds and all(call.client != other.client for other in rounds[-1]):
            rounds[-1].append(call)
        else:
            rounds.append([call])
    return rounds


def _turns(changes: list[tuple[int, int]]) -> list[int]:
    """For a call: so often it goes on when it gives way, then another does, and so on."""
    return [turn for unchanged, other in changes for turn in (*(0,) * unchanged, other)]


def _interleaving(steps: list[tuple[Call, list[int]]]) -> Interleaving:
    return Interleaving([call for call, _ in steps], [turns for _, turns in steps])
