"""What was found about a history: the verdict, and for each bad or undecided part why, as data and in words."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from fencepost.checkers.linearizability.counterexample import Death, counted, plain_value, where


@dataclass(frozen=True, slots=True)
class Undecided:
    """A part that the budget did not suffice for.

    part: its name. operations: how many it has. placed: how many returns some configuration survives.
    explored: configurations looked at. reason: which limit ended it, such as "the time limit of 60 s".
    """

    part: Hashable
    operations: int
    placed: int
    explored: int
    reason: str


@dataclass(slots=True)
class Analysis:
    """What was found.

    verdict: `valid`, `invalid`, or `unknown` when the budget ran out.
    deaths: for each part that is not linearizable, (part, where it stops being so).
    undecided: the parts that the budget did not suffice for, with how far the search got.
    operations: how many were judged. explored: configurations looked at.
    engine: `compiled`, `pure`, or `near-linear: <name>`; several are joined by " + ".
    """

    verdict: str
    deaths: list[tuple[Hashable, Death]] = field(default_factory=list)
    undecided: list[Undecided] = field(default_factory=list)
    operations: int = 0
    explored: int = 0
    engine: str = "pure"

    def words(self) -> str:
        """The verdict's reason: a line for each part that is bad or undecided, or what was proved."""
        lines = [death.words(part) for part, death in self.deaths]
        for undecided in self.undecided:
            lines.append(
                f"{where(undecided.part)}undecided within {undecided.reason}: {undecided.placed} of "
                f"{undecided.operations} operations are placed, {undecided.explored:,} configurations explored")
        return "\n".join(lines) or f"{counted(self.operations)} {'is' if self.operations == 1 else 'are'} linearizable"

    def explain(self) -> str:
        """As `words`, with the whole counterexample of each bad part."""
        lines = []
        for part, death in self.deaths:
            lines += [death.words(part), *death.explanation()]
        return "\n".join([*lines, *self.words().splitlines()[len(self.deaths):]])

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "verdict": self.verdict,
            "operations": self.operations,
            "engine": self.engine,
            "explored": self.explored,
            "violations": [{"part": plain_value(part), **death.to_json()} for part, death in self.deaths],
            "undecided": [
                {"part": plain_value(undecided.part), "operations": undecided.operations, "placed": undecided.placed,
                 "explored": undecided.explored, "reason": undecided.reason}
                for undecided in self.undecided],
        }
