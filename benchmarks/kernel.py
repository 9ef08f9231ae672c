"""Bare kernel events a second, beside simpy's on the same work: 1,000 timers that each fire and set themselves again.

Both run in this process, in turn, best of five; the ratio is what counts. `python -m benchmarks.kernel`
"""

import time
from collections.abc import Callable, Generator
from typing import Any

from fencepost.model.kernel.scheduler import Scheduler

TIMERS = 1_000
EVENTS = 200_000


class Ticker:
    """A timer that sets itself again."""

    __slots__ = ("delay_us", "scheduler")

    def __init__(self, scheduler: Scheduler, delay_us: int) -> None:
        self.scheduler = scheduler
        self.delay_us = delay_us

    def tick(self) -> None:
        """Fire, and set the next."""
        self.scheduler.schedule(self.delay_us, self.tick)


def run_kernel() -> int:
    """Run the work on our kernel; returns the number of events."""
    scheduler = Scheduler()
    for number in range(TIMERS):
        scheduler.schedule(number, Ticker(scheduler, TIMERS).tick)
    scheduler.run_until(EVENTS)
    return scheduler.events


def run_simpy() -> int:
    """Run the same work on simpy."""
    import simpy

    environment = simpy.Environment()
    count = [0]

    def tick(delay: int, first: int) -> Generator[Any, Any, None]:
        yield environment.timeout(first)
        while True:
            count[0] += 1
            yield environment.timeout(delay)

    for number in range(TIMERS):
        environment.process(tick(TIMERS, number))
    environment.run(until=EVENTS + 1)
    return count[0]


def events_per_second(work: Callable[[], int]) -> float:
    """The best rate of five runs, in events a CPU-second."""
    best = 0.0
    for _ in range(5):
        began = time.process_time()
        events = work()
        best = max(best, events / (time.process_time() - began))
    return best


def main() -> None:
    """Print both rates and their ratio."""
    ours = events_per_second(run_kernel)
    print(f"bare kernel                {ours:12,.0f} events a CPU-second")
    try:
        theirs = events_per_second(run_simpy)
    except ModuleNotFoundError:
        print("simpy                      not installed: pip install fencepost[bench]")
        return
    print(f"simpy, same work           {theirs:12,.0f} events a CPU-second   ratio {ours / theirs:.1f}")


if __name__ == "__main__":
    main()
