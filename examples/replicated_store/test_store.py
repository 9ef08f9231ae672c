"""Property tests of the replicated store. READS=nearest and READS=majority switch a bug on.

    pytest examples/replicated_store
    READS=majority pytest examples/replicated_store
"""

import os
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fencepost.testing import ProcessSystem, System, exercise, interleavings, plans

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from store import ReplicatedStore  # noqa: E402

READS = os.environ.get("READS", "written back")
#: One key is enough, for keys do not concern each other here.
KEY = st.just("x")
FUNCTIONS = {"put": st.tuples(KEY, st.sampled_from("123")), "get": KEY}


class Store(System):
    """The store in this process."""

    def start(self):
        """Bring it up, empty."""
        self.store = ReplicatedStore(READS)

    def invoke(self, client, f, argument):
        """Put or get."""
        return getattr(self.store, f)(client, argument)


class StoreProcess(ProcessSystem):
    """The store in a process of its own."""

    command = (sys.executable, str(HERE / "server.py"), READS)


@settings(max_examples=3_000, deadline=None)
@given(interleavings(FUNCTIONS))
def test_in_turns(interleaving):
    """Deterministic: what fails, fails again and is shrunk."""
    exercise(Store(), interleaving).assert_linearizable("kv")


@settings(deadline=None)
@given(plans(FUNCTIONS))
def test_in_threads(plan):
    """With real threads: rounds of calls at once."""
    exercise(Store(), plan).assert_linearizable("kv")


@settings(max_examples=25, deadline=None)
@given(plans(FUNCTIONS))
def test_in_a_process(plan):
    """With real threads and a real process."""
    exercise(StoreProcess(), plan).assert_linearizable("kv")
