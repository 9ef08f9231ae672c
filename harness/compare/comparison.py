"""A comparison: every measurement asked for, in both modes, at each number of partitions.

One process does one mode at one number of partitions: it starts the cluster once and branches off for each
measurement, so that no measurement feels another. The figures are a function of the seed alone, whatever else is
measured.

What a single fail-over takes depends on the moment: a session runs out later if its client was heard of just before, an
election is split or not. So each measurement is made at several moments, evenly spread over the periods of the cluster,
and the mean is told; of large clusters fewer have to do.
"""

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from fencepost.harness.compare.branch import CAN_BRANCH, in_a_branch
from fencepost.harness.compare.measurements import MEASUREMENTS, Figures
from fencepost.harness.compare.scene import MODES, Scene
from fencepost.harness.pool import Pool, report
from fencepost.histories.errors import FencepostError

#: Each trial begins so much later than the one before. Together five cover the six seconds between a ZooKeeper client's
#: pings, and evenly the two between heartbeats, and between ticks.
STAGGER_US = 1_200_000
TRIALS = 5
#: Above so many partitions there are fewer trials.
MANY_PARTITIONS = 20_000
TRIALS_OF_MANY = {"zk": 1, "kraft": 3}


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for. partitions: ascending. what: names of measurements. jobs: how many processes."""

    partitions: tuple[int, ...]
    what: tuple[str, ...]
    seed: int
    jobs: int


class Item(NamedTuple):
    """The work of one process: one cluster."""

    mode: str
    partitions: int
    what: tuple[str, ...]
    seed: int


class Measured(NamedTuple):
    """One measurement. trials: the figures of each trial, in virtual microseconds; see `measurements`."""

    what: str
    mode: str
    partitions: int
    trials: tuple[Figures, ...]

    @property
    def figures_us(self) -> Figures:
        """The mean of each figure."""
        return {name: sum(each[name] for each in self.trials) // len(self.trials) for name in self.trials[0]}


@dataclass(slots=True)
class Comparison:
    """A comparison under way, or done. started, ended: monotonic wall-clock seconds."""

    order: Order
    measured: list[Measured] = field(default_factory=list)
    started: float = 0.0
    ended: float = 0.0

    def figures(self, what: str, mode: str, partitions: int) -> Figures:
        """One measurement's figures."""
        return next(
            each.figures_us for each in self.measured
            if (each.what, each.mode, each.partitions) == (what, mode, partitions))

    def work(self) -> tuple[int, int]:
        """(done, in all), in partitions measured."""
        done = sum(each.partitions for each in self.measured)
        return done, sum(self.order.partitions) * len(self.order.what) * len(MODES)


def compare(order: Order, progress: Callable[[Comparison], None]) -> Comparison:
    """Measure all of it. Raises FencepostError when a measurement fails; `progress` is called after each."""
    comparison = Comparison(order, started=time.monotonic())
    outcomes = Pool(order.jobs, measure).run(_items(order))
    try:
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
            if outcome.death is not None:
                raise FencepostError(
                    f"compare: the process for {outcome.item.mode} with {outcome.item.partitions} partitions died "
                    f"({outcome.death}); fewer partitions or --jobs 1 need less memory")
            if outcome.is_part:
                comparison.measured.append(outcome.value)
                progress(comparison)
    finally:
        outcomes.close()  # type: ignore[attr-defined]
    comparison.measured.sort(key=lambda each: (order.what.index(each.what), MODES.index(each.mode), each.partitions))
    comparison.ended = time.monotonic()
    return comparison


def _items(order: Order) -> Iterator[Item]:
    """The longest first, so that no process is left alone with it at the end."""
    for partitions in reversed(order.partitions):
        for mode in MODES:
            yield Item(mode, partitions, order.what, order.seed)


def measure(item: Item) -> list[Measured]:
    """One process's work; each measurement is reported as soon as it is done."""
    measured: list[Measured] = in_a_branch(_measure_all, item) if CAN_BRANCH else _measure_all(item)
    return measured


def _measure_all(item: Item) -> list[Measured]:
    """Nothing that a cluster is made of becomes garbage in cycles while it lives, and there is much of it: to look for
    such garbage would take most of the time. The branch ends without taking the cluster to pieces."""
    gc.disable()
    scene = _scene(item)
    trials = TRIALS if item.partitions <= MANY_PARTITIONS else TRIALS_OF_MANY[item.mode]
    measured = []
    for what in item.what:
        figures = []
        for trial in range(trials):
            if CAN_BRANCH:
                figures.append(in_a_branch(_tell, what, scene, trial))
            else:
                figures.append(_tell(what, scene, trial))
                scene = _scene(item)
        measured.append(Measured(what, item.mode, item.partitions, tuple(figures)))
        report(measured[-1])
    if not CAN_BRANCH:
        gc.enable()
    return measured


def _tell(what: str, scene: Scene, trial: int) -> Figures:
    scene.run(trial * STAGGER_US)
    return MEASUREMENTS[what](scene)


def _scene(item: Item) -> Scene:
    scene = Scene(item.mode, item.partitions, item.seed)
    scene.come_to_rest()
    return scene
