"""What an analysis of anomalies says: which were found, which of them count, and what they rule out.

An anomaly that the contract asked about permits is reported as `allowed`, with the reason, and does not decide the
verdict: Kafka, say, never isolates writes, so interleaved sends are worth knowing and are no fault.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, NamedTuple

from fencepost.checkers.verdict import INVALID, UNKNOWN, VALID
from fencepost.histories.errors import InputError
from fencepost.histories.pairing import Call

#: Anomalies of one kind that `words` shows; all of them are in the data.
SHOWN_PER_KIND = 5


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One case of one anomaly.

    kind: its name, such as "lost-write" or "G-single-realtime".
    message: in words, which operations show it and why it is one.
    operations: the indexes of these operations' invocations in the history, in the order in which the words name them.
    data: what a program wants of it (key, values, offsets, the edges of a cycle), as plain data.
    allowed: why it does not count against the verdict; None if it does.
    """

    kind: str
    message: str
    operations: tuple[int, ...]
    data: dict[str, Any] = field(default_factory=dict)
    allowed: str | None = None

    def words(self) -> str:
        """The finding in words, its name first."""
        excuse = "" if self.allowed is None else f"  (allowed: {self.allowed})"
        return f"{self.kind}{excuse}: {self.message}"

    def to_json(self) -> dict[str, Any]:
        """The finding as plain data."""
        return {
            "kind": self.kind, "message": self.message, "operations": list(self.operations), "allowed": self.allowed,
            "data": self.data}


@dataclass(slots=True)
class AnomalyReport:
    """What an analysis found in a history.

    verdict: `invalid` if an anomaly counts; `unknown` if the history does not let anything be inferred; else `valid`.
    anomalies: every case, the allowed ones too.
    counts: cases of each kind.
    notes: what a reader should know of how the verdict came about.
    impossible_models: the consistency models that the anomalies rule out, each before the models that imply it.
    weakest_impossible: those of them that imply no other of them: the most that can be said in the fewest words.
    """

    verdict: str
    anomalies: list[Anomaly] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    impossible_models: list[str] = field(default_factory=list)
    weakest_impossible: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        """The names of the anomalies that count, in alphabetical order."""
        return sorted({anomaly.kind for anomaly in self.anomalies if anomaly.allowed is None})

    def words(self) -> str:
        """The whole report in words."""
        lines = []
        for kind in sorted(self.counts):
            cases = [anomaly for anomaly in self.anomalies if anomaly.kind == kind]
            lines += [anomaly.words() for anomaly in cases[:SHOWN_PER_KIND]]
            if len(cases) > SHOWN_PER_KIND:
                lines.append(f"{kind}: {len(cases) - SHOWN_PER_KIND} more")
        if self.weakest_impossible:
            lines.append(f"so this is not {' and not '.join(self.weakest_impossible)}")
        return "\n".join(lines + self.notes) or "no anomaly"

    def to_json(self) -> dict[str, Any]:
        """The whole report as plain data."""
        return {
            "verdict": self.verdict, "anomalies": [anomaly.to_json() for anomaly in self.anomalies],
            "counts": dict(self.counts), "notes": list(self.notes),
            "impossible_models": list(self.impossible_models), "weakest_impossible": list(self.weakest_impossible)}


class AnomalyModel(NamedTuple):
    """A kind of history whose anomalies can be looked for, as the command line knows it.

    description: what the histories hold, in one line.
    analyse: takes the calls and keyword options, gives the report.
    options: what each option of `analyse` does, by its name.
    kinds: what each anomaly that it can report is, by its name: a sentence, an example, and what `info` means for it.
    """

    description: str
    analyse: Callable[..., AnomalyReport]
    options: dict[str, str]
    kinds: dict[str, str]

    def read_options(self, given: Iterable[str]) -> dict[str, Any]:
        """The keyword options of `analyse` that these texts, "name=value", stand for.

        Those that may be true or false take "yes" or "no", and "yes" may be left out; those that are numbers take one;
        the others take names with commas between them. `initial` has an option of its own at the command line. Raises
        InputError for an unknown option or a value that it cannot have.
        """
        options: dict[str, Any] = {}
        for text in given:
            name, _, value = text.partition("=")
            name = name.strip().replace("-", "_")
            known = [option for option in self.options if option != "initial"]
            if name not in known:
                raise InputError(f"--option {text}: there is no such option; known are {', '.join(known) or 'none'}")
            parameter = signature(self.analyse).parameters[name]
            if parameter.annotation == int | None:
                options[name] = _whole_number(text, value)
            elif not isinstance(parameter.default, bool):
                options[name] = tuple(part.strip() for part in value.split(",") if part.strip())
            elif value in ("", "yes", "no"):
                options[name] = value != "no"
            else:
                raise InputError(f"--option {text}: allowed is {name}=yes or {name}=no")
        return options


def _whole_number(text: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise InputError(f"--option {text}: a whole number is expected, not {value!r}") from None


def report(anomalies: Iterable[Anomaly], undecidable: Sequence[str] = (), notes: Sequence[str] = ()) -> AnomalyReport:
    """The report on these anomalies.

    undecidable: why nothing can be inferred from the history, or from a part of it, in words: without an anomaly that
        counts, the verdict is then `unknown`.
    """
    found = list(anomalies)
    counts: dict[str, int] = {}
    for anomaly in found:
        counts[anomaly.kind] = counts.get(anomaly.kind, 0) + 1
    counting = any(anomaly.allowed is None for anomaly in found)
    verdict = INVALID if counting else UNKNOWN if undecidable else VALID
    return AnomalyReport(verdict, found, counts, [*undecidable, *notes])


def completed_value(call: Call) -> Any:
    """What is known of a call's micro-operations: its completion's value if that has any, else its invocation's."""
    return call.result if isinstance(call.result, list | tuple) else call.argument
