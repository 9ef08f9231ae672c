"""How many nodes a cluster has, and their ids."""

from dataclasses import dataclass

FIRST_CONTROLLER_ID = 101
FIRST_ZOOKEEPER_ID = 201
FIRST_CLIENT_ID = 1001


@dataclass(frozen=True, slots=True)
class Shape:
    """How many nodes of each kind; `combined` makes each of the `controllers` a broker too.

    KRaft mode has no ZooKeeper servers, and ZooKeeper mode no controllers but the brokers.
    """

    controllers: int = 3
    brokers: int = 3
    clients: int = 6
    combined: bool = False
    zookeepers: int = 3

    def controller_ids(self) -> tuple[int, ...]:
        """Combined nodes count from 1, isolated controllers from 101."""
        first = 1 if self.combined else FIRST_CONTROLLER_ID
        return tuple(range(first, first + self.controllers))

    def broker_ids(self) -> tuple[int, ...]:
        """Brokers count from 1."""
        return tuple(range(1, 1 + self.brokers))

    def zookeeper_ids(self) -> tuple[int, ...]:
        """ZooKeeper servers count from 201."""
        return tuple(range(FIRST_ZOOKEEPER_ID, FIRST_ZOOKEEPER_ID + self.zookeepers))

    def client_ids(self) -> tuple[int, ...]:
        """Clients' nodes count from 1001."""
        return tuple(range(FIRST_CLIENT_ID, FIRST_CLIENT_ID + self.clients))
