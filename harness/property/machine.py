"""A simulated cluster as a state machine: Hypothesis draws the steps, users add rules and assertions of their own.

    from hypothesis.stateful import invariant
    from fencepost.testing import ClusterMachine

    class Orders(ClusterMachine):
        bug = "KAFKA-1211"

        @invariant()
        def one_leader(self):
            assert len(self.cluster.leaders_of("orders-0")) <= 1

    TestOrders = Orders.TestCase

Its rules produce, poll, commit, strike with a fault and wait. Each step takes ten milliseconds of virtual time, so that
an operation is under way while the next begins; `wait` lets more pass. When the steps are over, everything is healed,
and Fencepost's own checkers judge what happened.

Steps are only written down. A rule or an invariant that looks at the cluster has the run up to that moment carried out,
from the beginning if there are new steps; what is judged in the end is one run of all steps. So what was seen is what
the run directory of a failure replays.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.errors import HypothesisException
from hypothesis.stateful import RuleBasedStateMachine, rule

from fencepost.harness import pytest_plugin
from fencepost.harness.execution import Execution
from fencepost.harness.property.defaults import BEGIN_US, DURATION, SHAPE, TOPICS, partition_names
from fencepost.harness.property.fault_strategies import fault_at, later
from fencepost.harness.property.marked import OPTIONS, specs_of
from fencepost.harness.property.operation_strategies import framed_from
from fencepost.harness.property.trial import Trial, try_out
from fencepost.harness.property.untraced import untraced
from fencepost.harness.spec import RunSpec, check_faults, check_workload
from fencepost.harness.words import read_duration
from fencepost.harness.workload import membership
from fencepost.histories.event import COMPLETIONS, Event
from fencepost.model.cluster import SimulatedCluster
from fencepost.nemesis.faults import Fault

#: Each step takes so long; a run has at least so many microseconds in which steps may fall.
STEP_US, _SHORTEST_US = 10_000, 2_000_000
#: Topics are created at this time, whatever follows.
_CREATED_US = 150_000
#: No step comes after this: a run up to a moment heals later, and so is not healed at that moment.
_FAR_US = 24 * 3_600_000_000


def _by_machine(strategy: Callable[["ClusterMachine"], st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """A strategy that depends on the attributes of the machine that draws."""
    return st.runner().flatmap(strategy)


_CLIENTS = _by_machine(lambda machine: st.integers(0, machine.clients - 1))
_PARTITIONS = _by_machine(lambda machine: st.sampled_from(partition_names(machine.topics)))
_FAULTS = _by_machine(lambda machine: fault_at(
    st.just(0), machine.mode, read_duration(DURATION), machine.topics, machine.kinds))


class ClusterMachine(RuleBasedStateMachine):
    """Extend it with rules and invariants (see `hypothesis.stateful`), and have pytest collect its `TestCase`.

    mode, brokers, controllers, zookeepers, clients, bug, properties, topic_config, profile: as for the marker
    `fencepost`. seed: of everything that is not drawn; `--fencepost-seed` comes first.
    topics: those that there are, with two partitions each. kinds: of the faults that are drawn; None: all.
    A rule that is not wanted is set to None.

    Raises InputError, in one line, for an attribute that cannot be.
    """

    mode: str = "kraft"
    brokers: int = SHAPE.brokers
    controllers: int = SHAPE.controllers
    zookeepers: int = SHAPE.zookeepers
    clients: int = SHAPE.clients
    bug: str | tuple[str, ...] | None = None
    properties: Mapping[str, Any] = {}
    topic_config: Mapping[str, Any] = {}
    profile: str = "campaign"
    seed: int = 0
    topics: tuple[str, ...] = TOPICS
    kinds: tuple[str, ...] | None = None

    def __init__(self) -> None:
        super().__init__()
        #: What was being handled when this machine was made; anything else in `teardown` is a rule's failure.
        self._before = sys.exception()
        given = {name: getattr(self, name) for name in OPTIONS if name not in ("seeds", "duration")}
        seed = self.seed if pytest_plugin.given.seed is None else pytest_plugin.given.seed
        (self._base,) = specs_of({**given, "seeds": (seed,)}, None, type(self).__name__)
        self._now_us = BEGIN_US
        self._faults: list[dict[str, Any]] = []
        self._operations: list[dict[str, Any]] = []
        self._seen: Execution | None = None

    # --- steps ----------------------------------------------------------------------------------------------------

    @rule(client=_CLIENTS, partition=_PARTITIONS, count=st.sampled_from([1, 3]), acks=st.sampled_from([-1, -1, 1, 0]),
          idempotent=st.booleans())
    def produce(
        self, client: int = 0, partition: str = TOPICS[0] + "-0", count: int = 1, acks: int = -1,
        idempotent: bool = False,
    ) -> None:
        """A client writes so many records to a partition. acks: -1 (all), 1 or 0."""
        topic, _, index = partition.rpartition("-")
        self.operate("produce", client, topic=topic, partition=int(index), count=count, acks=acks,
                     idempotent=idempotent and acks == -1)

    @rule(client=_CLIENTS)
    def poll(self, client: int = 0) -> None:
        """A client reads on in its group, which it joins if it has not."""
        self.operate("poll", client, **{**membership(client), "topics": list(self.topics)})

    @rule(client=_CLIENTS)
    def commit(self, client: int = 0) -> None:
        """A client commits as far as it has read; it does nothing if it has read nothing."""
        self.operate("commit-offsets", client, **{**membership(client), "topics": list(self.topics)})

    @rule(fault=_FAULTS)
    def inject(self, fault: Fault) -> None:
        """A fault strikes. Its times count from this step: `at_us=0` is now."""
        check_faults([fault.to_data()], type(self).__name__)
        self._step(self._faults, later(fault, self._now_us).to_data())

    @rule(milliseconds=st.sampled_from([100, 300, 1_000]))
    def wait(self, milliseconds: int) -> None:
        """Virtual time passes."""
        self._now_us += milliseconds * 1_000

    def operate(self, f: str, client: int = 0, **fields: Any) -> None:
        """A client does an operation, as a workload in `spec.json` holds it. Raises InputError for one that is not."""
        operation = {"at_us": self._now_us, "client": client, "f": f, **fields}
        check_workload([operation], self.clients, type(self).__name__)
        self._step(self._operations, operation)

    def _step(self, steps: list[dict[str, Any]], step: dict[str, Any]) -> None:
        steps.append(step)
        self._seen = None
        self._now_us += STEP_US

    # --- looking --------------------------------------------------------------------------------------------------

    @property
    def now_us(self) -> int:
        """Virtual microseconds since the cluster was started."""
        return self._now_us

    @property
    def cluster(self) -> SimulatedCluster:
        """The cluster at this moment, to be looked at (`leaders_of`, `roles`, `describe`) and changed by steps only."""
        return self._look().cluster

    @property
    def events(self) -> tuple[Event, ...]:
        """The history up to this moment."""
        return tuple(self._look().recorder.events)

    def answers(self, f: str | None = None) -> list[Event]:
        """How the clients' operations (of this function) have ended up to this moment: `ok`, `fail` or `info`."""
        return [event for event in self.events if event.type in COMPLETIONS and f in (None, event.f)]

    def _look(self) -> Execution:
        """The run as far as it is; carried out anew if there are new steps."""
        with untraced():
            if self._seen is None:
                self._seen = Execution(self._spec(_FAR_US))
            self._seen.run_until(self._now_us)
        return self._seen

    # --- the end --------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Heal everything and judge what happened. Raises ClusterFailure unless it is valid.

        When a rule or an invariant has failed, its error is left as it is and told how to replay the run.
        """
        failure = sys.exception()
        if failure is self._before:
            self._run().assert_valid()
        elif isinstance(failure, Exception) and not isinstance(failure, HypothesisException):
            failure.add_note(f"The run up to here, healed: {self._run().kept()}")

    def _run(self) -> Trial:
        spec = self._spec(max(self._now_us, _SHORTEST_US))
        return try_out(spec, type(self).__name__, pytest_plugin.given.store)

    def _spec(self, heal_us: int) -> RunSpec:
        spec = replace(self._base, duration_us=heal_us, faults=list(self._faults))
        return replace(spec, workload=framed_from(_CREATED_US, self._operations, self.topics, spec))
