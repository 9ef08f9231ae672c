"""A strategy for faults and operations together, on one line of time.

Each step begins some time after the one before, so that taking a step out, or a wait, leaves what follows as it was to
each other: a write just before the leader dies stays just before it. Such examples shrink to the few steps that matter.
"""

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from fencepost.harness.property.defaults import BEGIN_US, DURATION, SHAPE, TOPICS
from fencepost.harness.property.fault_strategies import fault_at, later
from fencepost.harness.property.operation_strategies import USUAL, ClientOperation, bursts, operation_at
from fencepost.harness.words import read_duration
from fencepost.nemesis.faults import Fault

#: How a step begins: whether it is a fault, and how long after the one before.
_BEGINNINGS = [(strikes, pause_us) for pause_us in (10_000, 0, 30_000, 100_000, 300_000) for strikes in (False, True)]


class Scenario(NamedTuple):
    """What happens in a run: `cluster.run(*scenario)`."""

    faults: list[Fault]
    workload: list[ClientOperation]


@st.composite
def scenarios(
    draw: st.DrawFn, mode: str = "kraft", clients: int = SHAPE.clients, brokers: int = SHAPE.brokers,
    duration: str = DURATION, topics: Sequence[str] = TOPICS, kinds: Sequence[str] | None = None,
    functions: Sequence[str] = USUAL, max_size: int = 10,
) -> Scenario:
    """Up to `max_size` faults and bursts of operations, one after the other; a fault lasts while others follow.

    See `faults` and `operations` for the other arguments.
    """
    duration_us, at_us = read_duration(duration), BEGIN_US
    scenario = Scenario([], [])
    fault = fault_at(st.just(BEGIN_US), mode, duration_us, topics, kinds)
    burst = bursts(operation_at(BEGIN_US, clients, brokers, topics, functions))
    kinds_of_step: tuple[st.SearchStrategy[Fault | list[ClientOperation]], ...] = (burst, fault)
    steps = st.sampled_from(_BEGINNINGS).flatmap(
        lambda begins: st.tuples(st.just(begins[1]), kinds_of_step[begins[0]]))
    for pause_us, step in draw(st.lists(steps, max_size=max_size)):
        at_us += pause_us
        if at_us >= duration_us:
            break
        if isinstance(step, Fault):
            scenario.faults.append(later(step, at_us - BEGIN_US))
        else:
            scenario.workload.extend(
                ClientOperation({**operation, "at_us": operation["at_us"] + at_us - BEGIN_US}) for operation in step)
            at_us = scenario.workload[-1]["at_us"]
    return scenario
