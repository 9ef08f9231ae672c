"""The pytest plugin: a `cluster` to test against, a marker that says what it is like, and two options.

    @pytest.mark.fencepost(mode="kraft", brokers=3, seeds=5)
    def test_nothing_is_lost(cluster):
        cluster.run().assert_valid()

It registers itself when Fencepost is installed, so it imports nothing of Fencepost's before a test asks for `cluster`.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fencepost.harness.property.trial import ClusterUnderTest

_MARKER = (
    "fencepost(mode='kraft', seeds=1, brokers=3, controllers=1, zookeepers=1, clients=2, duration='4s', bug=None, "
    "properties={}, topic_config={}, profile='campaign'): what the `cluster` of a test is like; one test for each seed."
)
#: The fixture between `cluster` and its parameters; nobody else has one of that name.
_SPEC = "fencepost_spec"


@dataclass(slots=True)
class CommandLine:
    """What the command line says: the only seed, if any, and where failing runs are kept."""

    seed: int | None = None
    store: Path = Path(".fencepost")


#: For tests that no fixture reaches, such as those of a state machine.
given = CommandLine()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Two options in a group of their own."""
    group = parser.getgroup("fencepost", "fencepost: simulated Kafka clusters")
    group.addoption("--fencepost-seed", type=_seed, metavar="N", help="Run the tests of clusters with this seed only.")
    group.addoption("--fencepost-store", default=".fencepost", metavar="DIR",
                    help="Where the runs of failing tests are kept (default: .fencepost).")


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marker is, and note what the command line says."""
    config.addinivalue_line("markers", _MARKER)
    given.seed, given.store = config.getoption("fencepost_seed"), Path(config.getoption("fencepost_store"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each seed, if it uses `cluster`. What the marker gives wrongly is told in one line."""
    if _SPEC not in metafunc.fixturenames:
        return
    from fencepost.harness.property.marked import specs_of
    from fencepost.histories.errors import FencepostError

    options: dict[str, Any] = {}
    markers = list(metafunc.definition.iter_markers("fencepost"))
    for marker in reversed(markers):
        if marker.args:
            pytest.fail(f"{metafunc.definition.nodeid}: @pytest.mark.fencepost takes arguments by name only, such as "
                        "mode='zk'", pytrace=False)
        options.update(marker.kwargs)
    where = f"{metafunc.definition.nodeid}: @pytest.mark.fencepost"
    try:
        specs = specs_of(options, metafunc.config.getoption("fencepost_seed"), where)
    except FencepostError as error:
        pytest.fail(str(error), pytrace=False)
    metafunc.parametrize(_SPEC, specs, ids=[f"seed{spec.seed}" for spec in specs], indirect=True, scope="class")


@pytest.fixture(scope="class")
def fencepost_spec(request: pytest.FixtureRequest) -> Any:
    """The spec of the test's cluster (see `pytest_generate_tests`)."""
    return request.param


@pytest.fixture(scope="class")
def cluster(request: pytest.FixtureRequest, fencepost_spec: Any) -> "ClusterUnderTest":
    """A simulated Kafka cluster: `cluster.run(faults=..., workload=...).assert_valid()`.

    It holds nothing between two runs, so Hypothesis may call a test with it again and again.
    """
    from fencepost.harness.property.trial import ClusterUnderTest

    return ClusterUnderTest(fencepost_spec, request.node.name, given.store)


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: allowed is a whole number from 0")
    return int(text)
