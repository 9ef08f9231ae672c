"""A stage in ZooKeeper mode: what the ensemble has committed, in one form for either side."""

from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple

from stories.stage import NOBODY, PartitionView, Question, Stage

#: What both sides are configured with, besides Kafka's own defaults: brokers, and the ensemble.
MODELLED = {
    "zookeeper.session.timeout.ms": "4000", "auto.leader.rebalance.enable": "false", "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "2", "offsets.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
}
ENSEMBLE = {"tickTime": "500", "initLimit": "10", "syncLimit": "4"}
#: The session that these give, in seconds.
SESSION_S = 4.0

CONTROLLER, CONTROLLER_EPOCH, BROKER_IDS = "/controller", "/controller_epoch", "/brokers/ids/"


class PartitionState(NamedTuple):
    """What /brokers/topics/<topic>/partitions/<partition>/state holds."""

    leader: int
    leader_epoch: int
    isr: tuple[int, ...]
    controller_epoch: int


class Change(NamedTuple):
    """A znode as a committed transaction leaves it; several may be of one transaction.

    value: the broker's id (/controller), the epoch (/controller_epoch), a `PartitionState`, or None: it is gone, or
    holds something else. version: of its data; -1 where it is gone. zxid: the transaction's.
    """

    path: str
    value: int | PartitionState | None
    version: int
    zxid: int


class ZkStage(Stage):
    """What stories of ZooKeeper mode ask."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._partitions: dict[str, PartitionState] = {}
        self._topics: list[str] = []
        self._first_epoch: int | None = None
        #: Whom /controller names, as the log has it; None for nobody.
        self._controller: int | None = None
        self._controller_epoch = 0
        self._broker_epochs: dict[int, int] = {}

    # --- asked --------------------------------------------------------------------------------------------------------

    @abstractmethod
    def committed(self) -> list[Change]:
        """What was committed since the last time, in its order."""

    @abstractmethod
    def order_topic(self, broker: int, topic: str, replicas: tuple[int, ...]) -> Question[str]:
        """Ask the controller's broker for a topic with one partition; the answer is the error's name, or "ok"."""

    @abstractmethod
    def delete_controller(self) -> None:
        """What an operator does who forces an election: delete /controller."""

    @abstractmethod
    def lose_answer(self, broker: int, path: str) -> Callable[[], bool]:
        """Lose the answer to the broker's next transaction that writes this path, with its connection, after it is
        committed. The function returned says whether that has happened."""

    @abstractmethod
    def outlive(self, broker: int) -> Callable[[], None]:
        """Have the broker's session outlive its process, until the function returned is called."""

    @abstractmethod
    def runs(self, broker: int) -> bool:
        """Whether the process runs."""

    @abstractmethod
    def stop_replica(
        self, broker: int, controller: int, controller_epoch: int, broker_epoch: int, topic: str, delete: bool
    ) -> str:
        """Tell a broker, in a controller's name, to stop its replica of partition 0: the error, or "ok"."""

    @abstractmethod
    def controlled_shutdown(self, receiver: int, broker: int, broker_epoch: int) -> str:
        """Tell a broker, in another's name, that it wants to shut down: the error, or "ok"."""

    # --- told ---------------------------------------------------------------------------------------------------------

    def controller(self) -> int | None:
        """Whom /controller names; None for nobody."""
        self._read_log()
        return self._controller

    def controller_epoch(self) -> int:
        """What /controller_epoch holds."""
        self._read_log()
        return self._controller_epoch

    def broker_epoch(self, broker: int) -> int:
        """The zxid of the broker's registration."""
        self._read_log()
        return self._broker_epochs[broker]

    def others(self, broker: int) -> tuple[int, ...]:
        """The other brokers."""
        return tuple(other for other in self.brokers if other != broker)

    def recorded(self, partition: str) -> PartitionView:
        """A partition as ZooKeeper has it."""
        self._read_log()
        state = self._partitions.get(partition)
        return NOBODY if state is None else PartitionView(*state[:3])

    def await_controller(self) -> int:
        """Whom /controller names, once it names somebody."""
        while (controller := self.controller()) is None:
            self.let_time_pass()
        return controller

    def ordered(self, topic: str, *replicas: int) -> str:
        """What is answered to an order of a topic, by whoever controls and knows that it does."""
        while (answer := self.answered(self.order_topic(self.await_controller(), topic, replicas))) == "NOT_CONTROLLER":
            self.let_time_pass()
        return answer

    def create_topic(self, topic: str, *replicas: int) -> None:
        """A topic with one partition, led by the first of its replicas; returns when all brokers know it. What is told
        of the ensemble begins here."""
        self.await_brokers()
        self._read_log()
        self._topics.append(topic)
        if self._first_epoch is None:
            self._first_epoch = self._controller_epoch
            self._lines.clear()
        error = self.ordered(topic, *replicas)
        assert error == "ok", f"{topic} is not created: {error}"
        self.until(f"{topic}-0 is led by {self.part(replicas[0])}", lambda: all(
            self.view(broker, f"{topic}-0").leader == replicas[0] for broker in self.brokers))

    def tell_log(self) -> None:
        """Write down what the ensemble has committed since: who controls and who is registered, and every state of the
        story's partitions."""
        self._read_log()
        for line in self._lines:
            self.tell(line)

    def _read_log(self) -> None:
        for change in self.committed():
            line = self._line(change)
            if line is not None:
                self._lines.append(line)

    def _line(self, change: Change) -> str | None:
        path, value = change.path, change.value
        if path == CONTROLLER:
            self._controller = value if isinstance(value, int) else None
            return f"{CONTROLLER} " + ("is gone" if value is None else f"names {self.part(self._controller or 0)}")
        if path == CONTROLLER_EPOCH and isinstance(value, int):
            self._controller_epoch = value
            return f"{CONTROLLER_EPOCH} is {self._relative(value)}"
        if path.startswith(BROKER_IDS):
            broker_id = int(path.removeprefix(BROKER_IDS))
            broker = self.part(broker_id)
            if change.version == 0:
                self._broker_epochs[broker_id] = change.zxid
            return {-1: f"broker {broker} is gone", 0: f"broker {broker} registers"}.get(change.version)
        if isinstance(value, PartitionState):
            _, _, _, topic, _, index, _ = path.split("/")
            self._partitions[f"{topic}-{index}"] = value
            if topic in self._topics:
                members = ", ".join(sorted(map(self.part, value.isr)))
                return (f"{topic}-{index} has leader {self.part(value.leader)} in epoch {value.leader_epoch} and ISR "
                        f"{members}, by controller epoch {self._relative(value.controller_epoch)}, in version "
                        f"{change.version}")
        return None

    def _relative(self, epoch: int) -> str:
        return f"+{epoch - (self._first_epoch or 0)}"
