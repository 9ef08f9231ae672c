"""What a property test's cluster is like unless it says otherwise: small and short, for it is run hundreds of times."""

from fencepost.harness.workload import PARTITIONS
from fencepost.model.shape import Shape

#: Long enough for a broker to be fenced, a leader to move, and everybody to come back, twice.
DURATION = "4s"
SHAPE = Shape(controllers=1, brokers=3, clients=2, zookeepers=1)
TOPICS = ("orders",)
#: No fault and no operation is drawn before: by then the smallest cluster has its leaders, in either mode.
BEGIN_US = 1_000_000


def partition_names(topics: tuple[str, ...]) -> list[str]:
    """Every partition of the topics by name: "orders-0"."""
    return [f"{topic}-{index}" for topic in topics for index in range(PARTITIONS)]
