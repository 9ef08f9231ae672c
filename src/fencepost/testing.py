"""Property tests of systems of one's own: clients drive it, what they saw is recorded and judged.

    from hypothesis import given, strategies as st
    from fencepost.testing import System, exercise, plans

    @given(plans({"put": st.tuples(st.just("x"), st.sampled_from("123")), "get": st.just("x")}))
    def test_linearizable(plan):
        exercise(Store(), plan).assert_linearizable("kv")

`Store` is a `System`: it says how to start, stop and invoke.
"""

from fencepost.harness.property.exercise import exercise
from fencepost.harness.property.interleaving import Interleaving, pause
from fencepost.harness.property.plan_strategies import calls, interleavings, plans
from fencepost.harness.property.process_system import ProcessSystem
from fencepost.harness.property.system import Call, NotLinearizable, Recording, Refused, System, Unclear

__all__ = [
    "Call", "Interleaving", "NotLinearizable", "ProcessSystem", "Recording", "Refused", "System", "Unclear", "calls",
    "exercise", "interleavings", "pause", "plans",
]
