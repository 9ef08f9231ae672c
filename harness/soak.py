"""A campaign over many sittings: a ledger says which seeds were run on which state of the project, and what came of it.

The ledger is a file of JSON lines, one for each stretch of seeds: `commit`, `mode`, `first`, `seeds`, `verdicts`,
`failing` (the seeds that were not valid), `excused` (how many losses, by the reason), `digest`. A later sitting goes on
behind the highest seed that was ever run in that mode, so every sitting tries what nobody has seen before. A stretch
that was interrupted leaves no line, and one whose line was not written to its end has none: it is run again.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fencepost import __version__
from fencepost.harness.campaign import Campaign, Order, Progress, run_campaign
from fencepost.harness.spec import MODES, RunSpec
from fencepost.histories.errors import InputError, StoreError

#: Seeds in one stretch: what an interruption may cost.
STRETCH = 100
#: Seeds below are other campaigns', tests' and documents'.
FIRST_SEED = 100_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """One line of the ledger. excused: None in lines from before it was noted."""

    commit: str
    mode: str
    first: int
    seeds: int
    verdicts: dict[str, int] = field(default_factory=dict)
    failing: list[int] = field(default_factory=list)
    digest: str = ""
    excused: dict[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is known of earlier sittings. torn: where a last line stands that was not written to its end, or None."""

    stretches: list[Stretch]
    torn: str | None = None


@dataclass(slots=True)
class Total:
    """Of one mode and commit: how many seeds gave which verdict, and how many losses were excused, by the reason.

    unnoted: of how many of the seeds the ledger does not say what was excused.
    """

    verdicts: dict[str, int] = field(default_factory=lambda: {"valid": 0, "invalid": 0, "unknown": 0})
    excused: dict[str, int] = field(default_factory=dict)
    unnoted: int = 0


def read_ledger(path: Path) -> Ledger:
    """The ledger; empty when there is no such file. Raises InputError for a line that is none of a ledger's."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return Ledger([])
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the ledger cannot be read: {error}") from None
    last, torn = lines.pop(), None
    if last and _is_torn(last):
        torn = f"{path} line {len(lines) + 1}"
    elif last:
        lines.append(last)
    return Ledger([_stretch(line, f"{path} line {number}") for number, line in enumerate(lines, start=1)], torn)


def _is_torn(last: str) -> bool:
    """Whether a last line without a line's end is a part of one."""
    try:
        json.loads(last)
    except ValueError:
        return True
    return False


def _stretch(line: str, where: str) -> Stretch:
    try:
        stretch = Stretch(**json.loads(line))
    except (ValueError, TypeError):
        raise InputError(f"{where}: no line of a soak's ledger; move the file away to begin a new one") from None
    for name, (is_allowed, allowed) in _ALLOWED.items():
        value = getattr(stretch, name)
        if not is_allowed(value):
            raise InputError(f"{where}: {name} is {value!r:.60}: allowed is {allowed}")
    return stretch


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_counts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_count, value.values()))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


#: What may stand in a field of a line, and the same in words.
_ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "commit": (_is_text, "a text"),
    "mode": (lambda value: value in MODES, " or ".join(MODES)),
    "first": (_is_count, "a whole number from 0"),
    "seeds": (_is_count, "a whole number from 0"),
    "verdicts": (_are_counts, "an object of whole numbers"),
    "failing": (lambda value: isinstance(value, list) and all(map(_is_count, value)), "a list of seeds"),
    "digest": (_is_text, "a text"),
    "excused": (lambda value: value is None or _are_counts(value), "an object of whole numbers"),
}


def next_seed(ledger: Ledger, mode: str) -> int:
    """The first seed that was never run in that mode."""
    return max(
        (stretch.first + stretch.seeds for stretch in ledger.stretches if stretch.mode == mode), default=FIRST_SEED)


def soak(
    path: Path, mode: str, seeds: int, jobs: int, store: Path, progress: Progress
) -> Iterator[tuple[Campaign, Stretch]]:
    """Run the next seeds, stretch by stretch; each is in the ledger before the next one begins. Ctrl-C ends it: the
    last stretch is then what was seen of one that is not in the ledger, and its campaign is `interrupted`.

    Raises InputError for a ledger that cannot be read, StoreError for one that cannot be written.
    """
    commit = current_commit()
    first = next_seed(read_ledger(path), mode)
    for begin in range(first, first + seeds, STRETCH):
        order = Order(RunSpec(seed=0, mode=mode), begin, min(STRETCH, first + seeds - begin), jobs, store)
        campaign = run_campaign(order, progress)
        stretch = _stretch_of(campaign, commit)
        if not campaign.interrupted:
            _append(path, stretch)
        yield campaign, stretch
        if campaign.interrupted:
            return


def _stretch_of(campaign: Campaign, commit: str) -> Stretch:
    order = campaign.order
    return Stretch(
        commit, order.spec.mode, order.first, len(campaign.outcomes) if campaign.interrupted else order.seeds,
        {verdict: campaign.count(verdict) for verdict in ("valid", "invalid", "unknown")},
        [outcome.seed for outcome in campaign.sorted_outcomes() if outcome.verdict != "valid"], campaign.digest,
        {reason: len(excuses) for reason, excuses in campaign.excused_by_reason().items()})


def _append(path: Path, stretch: Stretch) -> None:
    """Add a line. A torn last line goes, one that only lacks its end is given it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            file.seek(0)
            last = file.read().rpartition(b"\n")[2]
            if last and _is_torn(last.decode("utf-8")):
                file.truncate(file.tell() - len(last))
            elif last:
                file.write(b"\n")
            file.write(json.dumps(asdict(stretch)).encode() + b"\n")
    except OSError as error:
        raise StoreError(f"{path}: the ledger cannot be written: {error.strerror or error}") from None


def current_commit() -> str:
    """The project's commit, with a + when something was changed since; the version where it is no checkout."""
    here = Path(__file__).resolve().parent
    top = _git(here, "rev-parse", "--show-toplevel")
    # An install may lie in a repository that is its user's.
    if top is None or Path(top).resolve() != here.parent:
        return __version__
    return _git(here, "describe", "--always", "--abbrev=12", "--dirty=+") or __version__


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says of a folder, or None."""
    try:
        said = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return said.stdout.strip()


def totals(stretches: list[Stretch]) -> dict[tuple[str, str], Total]:
    """By (mode, commit), in the order of the ledger."""
    sums: dict[tuple[str, str], Total] = {}
    for stretch in stretches:
        total = sums.setdefault((stretch.mode, stretch.commit), Total())
        for counts, more in ((total.verdicts, stretch.verdicts), (total.excused, stretch.excused or {})):
            for name, count in more.items():
                counts[name] = counts.get(name, 0) + count
        if stretch.excused is None:
            total.unnoted += stretch.seeds
    return sums
