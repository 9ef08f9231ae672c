"""A campaign over many sittings: a ledger says which seeds were run on which state of the project, and what came of it.

The ledger is a file of JSON lines, one for each stretch of seeds: `commit`, `mode`, `first`, `seeds`, `verdicts`,
`failing` (the seeds that were not valid), `digest`. A later sitting goes on behind the highest seed that was ever run
in that mode, so every sitting tries what nobody has seen before. A stretch that was interrupted leaves no line, and is
run again.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fencepost import __version__
from fencepost.harness.campaign import Campaign, Order, Progress, run_campaign
from fencepost.harness.spec import RunSpec
from fencepost.histories.errors import InputError, StoreError

#: Seeds in one stretch: what an interruption may cost.
STRETCH = 100
#: Seeds below are other campaigns', tests' and documents'.
FIRST_SEED = 100_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """One line of the ledger."""

    commit: str
    mode: str
    first: int
    seeds: int
    verdicts: dict[str, int] = field(default_factory=dict)
    failing: list[int] = field(default_factory=list)
    digest: str = ""


def read_ledger(path: Path) -> list[Stretch]:
    """The ledger's lines; none when there is no such file. Raises InputError for a line that is none of a ledger's."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the ledger cannot be read: {error}") from None
    return [_stretch(line, f"{path} line {number}") for number, line in enumerate(lines, start=1)]


def _stretch(line: str, where: str) -> Stretch:
    try:
        stretch = Stretch(**json.loads(line))
    except (ValueError, TypeError):
        raise InputError(f"{where}: no line of a soak's ledger; move the file away to begin a new one") from None
    if not (isinstance(stretch.first, int) and isinstance(stretch.seeds, int) and isinstance(stretch.verdicts, dict)):
        raise InputError(f"{where}: first and seeds are whole numbers, verdicts is an object")
    return stretch


def next_seed(ledger: list[Stretch], mode: str) -> int:
    """The first seed that was never run in that mode."""
    return max((stretch.first + stretch.seeds for stretch in ledger if stretch.mode == mode), default=FIRST_SEED)


def soak(
    path: Path, mode: str, seeds: int, jobs: int, store: Path, progress: Progress
) -> Iterator[tuple[Campaign, Stretch]]:
    """Run the next seeds, stretch by stretch; each is in the ledger before the next one begins. Ctrl-C ends it.

    Raises InputError for a ledger that cannot be read, StoreError for one that cannot be written.
    """
    commit = current_commit()
    first = next_seed(read_ledger(path), mode)
    for begin in range(first, first + seeds, STRETCH):
        order = Order(RunSpec(seed=0, mode=mode), begin, min(STRETCH, first + seeds - begin), jobs, store)
        campaign = run_campaign(order, progress)
        if campaign.interrupted:
            return
        stretch = Stretch(
            commit, mode, begin, order.seeds,
            {verdict: campaign.count(verdict) for verdict in ("valid", "invalid", "unknown")},
            [outcome.seed for outcome in campaign.sorted_outcomes() if outcome.verdict != "valid"], campaign.digest)
        _append(path, stretch)
        yield campaign, stretch


def _append(path: Path, stretch: Stretch) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(stretch)) + "\n")
    except OSError as error:
        raise StoreError(f"{path}: the ledger cannot be written: {error.strerror or error}") from None


def current_commit() -> str:
    """The project's commit, with a + when something was changed since; the version where it is no checkout."""
    here = Path(__file__).resolve().parent
    try:
        said = subprocess.run(["git", "-C", str(here), "describe", "--always", "--abbrev=12", "--dirty=+"],
                              capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return said.stdout.strip()


def totals(ledger: list[Stretch]) -> dict[tuple[str, str], dict[str, int]]:
    """By (mode, commit), in the order of the ledger: how many seeds gave which verdict."""
    sums: dict[tuple[str, str], dict[str, int]] = {}
    for stretch in ledger:
        counts = sums.setdefault((stretch.mode, stretch.commit), {"valid": 0, "invalid": 0, "unknown": 0})
        for verdict, count in stretch.verdicts.items():
            counts[verdict] = counts.get(verdict, 0) + count
    return sums
