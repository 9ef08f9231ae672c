"""Tasks for worker processes; they must be importable by name in a spawned process."""

import os
import signal

from fencepost.harness.campaign import Item, SeedOutcome
from fencepost.harness.coverage import Coverage
from fencepost.harness.pool import report
from fencepost.histories.errors import InputError


def square(number: int) -> int:
    """The item, squared; some items go wrong in their own way."""
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 17:
        os._exit(3)
    if number == 19:
        raise InputError("19 is refused")
    return number * number


def count_up(number: int) -> str:
    """Reports every number below the item on the way."""
    for each in range(number):
        report(each)
    return f"counted to {number}"


def interrupt_parent(number: int) -> int:
    """As `square`, but with item 3 the user presses Ctrl-C."""
    if number == 3:
        os.kill(os.getppid(), signal.SIGINT)
    return number * number


def fake_seed(item: Item) -> SeedOutcome:
    """A campaign's seed without any cluster: multiples of 7 fail, 5 kills its worker."""
    _, seed, _ = item
    if seed == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    reached = Coverage(faults={"pause": seed}, fail_overs=1)
    if seed % 7 == 0 and seed:
        violation = {
            "rule": "ElectionSafety" if seed < 20 else "WeakIsr", "checker": "raft", "message": f"seed {seed} is bad",
            "time_us": 1_500_000, "node": 1, "key": None, "events": [1], "because": ["broker 1 was paused"]}
        later = {**violation, "rule": "LogMatching"}
        return SeedOutcome(seed, "invalid", f"digest {seed}", [violation, later], [], reached, f"store/kraft-{seed}")
    excused = [{"rule": "NoAckedRecordLost", "checker": "committed", "reason": "last-replica-standing",
                "message": "1 record", "events": []}] if seed == 4 else []
    return SeedOutcome(seed, "valid", f"digest {seed}", [], excused, reached)


def interrupted_seed(item: Item) -> SeedOutcome:
    """As `fake_seed`, but with seed 3 the user presses Ctrl-C, and again if nothing comes of it."""
    if item[1] % 1_000 == 3:
        os.kill(os.getppid(), signal.SIGINT)
    return SeedOutcome(item[1], "valid", f"digest {item[1]}")
