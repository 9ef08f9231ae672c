"""Property tests: of a system of one's own, which clients drive, and of a simulated cluster as a state machine.

    from hypothesis import given, strategies as st
    from fencepost.testing import System, exercise, plans

    @given(plans({"put": st.tuples(st.just("x"), st.sampled_from("123")), "get": st.just("x")}))
    def test_linearizable(plan):
        exercise(Store(), plan).assert_linearizable("kv")

`Store` is a `System`: it says how to start, stop and invoke. For the cluster see `ClusterMachine`.
"""

from fencepost.harness.property.exercise import exercise
from fencepost.harness.property.interleaving import Interleaving, pause
from fencepost.harness.property.plan_strategies import calls, interleavings, plans
from fencepost.harness.property.process_system import ProcessSystem
from fencepost.harness.property.machine import ClusterMachine
from fencepost.harness.property.system import Call, NotLinearizable, Recording, Refused, System, Unclear

__all__ = [
    "Call", "ClusterMachine", "Interleaving", "NotLinearizable", "ProcessSystem", "Recording", "Refused", "System",
    "Unclear", "calls", "exercise", "interleavings", "pause", "plans",
]
