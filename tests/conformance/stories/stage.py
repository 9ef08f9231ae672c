"""Where a story is played: a real cluster, or the model's. Whatever a story does and asks means the same on both.

A story is a function that takes a stage, does something to its nodes, and waits for what comes of it. The stage writes
down, line by line, what came (`told`); the lines of a real stage and of the model's must be the same. How long it took
is no line: a wait for a time-out (`timed`) is judged by its bounds, on either stage. Nothing sleeps for a time:
whatever a story waits for, it waits for by name, and the wait fails after `PATIENCE_S`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from stories.groups import GroupAnswer, GroupRequest

#: Longer than a node takes to start on a machine that is busy with something else.
PATIENCE_S = 120.0
#: Parts of a time-out: it may have run for half of its time when a node is struck, and a busy machine takes longer.
SOONEST, LATEST = 0.5, 3.0

Answer = TypeVar("Answer")


class PartitionView(NamedTuple):
    """A partition as a broker tells of it in Metadata; leader -1 for nobody. The ISR is ascending."""

    leader: int
    leader_epoch: int
    isr: tuple[int, ...]


class ClusterView(NamedTuple):
    """What a broker tells in Metadata: the brokers that are not fenced, and partitions by names like "orders-0"."""

    brokers: tuple[int, ...]
    partitions: dict[str, PartitionView]


#: What a broker is taken to tell that does not answer.
NOTHING = ClusterView((), {})
NOBODY = PartitionView(-1, -1, ())


class Question(ABC, Generic[Answer]):
    """A request that was sent."""

    @abstractmethod
    def answer(self) -> Answer | None:
        """The answer, if it has come."""

    def drop(self) -> None:
        """Nobody waits for the answer any more."""


class Stage(ABC):
    """What stories of both modes need.

    brokers: their ids. group: whose coordinator is asked. told: what came, one line each.
    """

    brokers: tuple[int, ...]
    group = "readers"

    def __init__(self) -> None:
        self.told: list[str] = []
        self._acted_s = 0.0
        self._cast: dict[int, str] = {}

    # --- time and lines -----------------------------------------------------------------------------------------------

    @abstractmethod
    def now_s(self) -> float:
        """Seconds, since whenever."""

    @abstractmethod
    def let_time_pass(self) -> None:
        """A moment."""

    def tell(self, line: str) -> None:
        """Write a line down."""
        self.told.append(line)

    def cast(self, parts: dict[int, str]) -> None:
        """Say which node plays which part, where that is not the same on every stage: lines name the part."""
        self._cast = parts

    def part(self, node: int) -> str:
        """A node's part; its id where none was cast."""
        return self._cast.get(node, str(node))

    def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait for a condition, and write down that it came. Raises AssertionError when patience has ended."""
        began_s = self.now_s()
        while not condition():
            assert self.now_s() < began_s + PATIENCE_S, f"never came: {what}; so far {self.told}"
            self.let_time_pass()
        self.tell(what)

    def timed(self, what: str, condition: Callable[[], bool], time_out_s: float) -> None:
        """Wait likewise, for what follows from a time-out: since the story's last act it must have taken between
        `SOONEST` and `LATEST` of that."""
        self.until(what, condition)
        took = (self.now_s() - self._acted_s) / time_out_s
        assert SOONEST <= took <= LATEST, f"{what}: after {took:.2f} of {time_out_s} s"

    # --- acts ---------------------------------------------------------------------------------------------------------

    def pause(self, node: int) -> None:
        """The process stops handling anything (SIGSTOP)."""
        self._do("pause", node)

    def resume(self, node: int) -> None:
        """The process goes on (SIGCONT), with whatever has come to its sockets."""
        self._do("resume", node)

    def kill(self, node: int) -> None:
        """The process dies (SIGKILL); what it wrote to files stays."""
        self._do("kill", node)

    def start(self, node: int) -> None:
        """A new process with the old one's files."""
        self._do("start", node)

    def _do(self, act: str, node: int) -> None:
        self.act(act, node)
        self._acted_s = self.now_s()

    @abstractmethod
    def act(self, act: str, node: int) -> None:
        """Do one of the above."""

    # --- what clients ask ---------------------------------------------------------------------------------------------

    @abstractmethod
    def metadata(self, broker: int) -> ClusterView:
        """What a broker tells; `NOTHING` where nothing answers."""

    @abstractmethod
    def produce(self, broker: int, topic: str, value: str) -> "Question[str]":
        """Write a record to partition 0 with acks=all; the answer is the error's name, or "ok"."""

    @abstractmethod
    def values(self, broker: int, topic: str) -> tuple[str, ...]:
        """What one fetch of a consumer's reads in partition 0 from the broker that leads it."""

    @abstractmethod
    def coordinates(self, broker: int) -> bool:
        """Whether a broker coordinates the group, and has loaded it."""

    @abstractmethod
    def ask_group(self, broker: int, request: GroupRequest) -> "Question[GroupAnswer]":
        """Ask a broker as the group's coordinator."""

    @abstractmethod
    def committed_offset(self, broker: int, topic: str) -> int:
        """The offset that the group has committed for partition 0; -1 for none."""

    def group_error(self, broker: int, request: GroupRequest) -> str:
        """The error of an answer, or "ok"."""
        return self.answered(self.ask_group(broker, request)).error

    def view(self, broker: int, partition: str) -> PartitionView:
        """What a broker tells of one partition; nobody leads what it does not know."""
        return self.metadata(broker).partitions.get(partition, NOBODY)

    def await_brokers(self) -> None:
        """Until every broker knows every broker."""
        self.until("every broker is there", lambda: all(
            self.metadata(broker).brokers == self.brokers for broker in self.brokers))

    def answered(self, question: Question[Answer]) -> Answer:
        """The answer, once it has come."""
        began_s = self.now_s()
        while (answer := question.answer()) is None:
            assert self.now_s() < began_s + PATIENCE_S, f"a request is not answered; so far {self.told}"
            self.let_time_pass()
        return answer
