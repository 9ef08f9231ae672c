"""What a kind of fault is, and what it is given when it strikes.

A kind is a class that says in its docstring what happens and which real event that stands for, lists the fields that
it takes, strikes, and takes back what it did. There is one instance of each, so whatever a fault at work has to
remember is kept in its `Strike`. Writing the class, under the decorator `kind`, is all that adding a kind takes; a
module of kinds is imported by the package.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from fencepost.nemesis.cluster import Cluster
from fencepost.nemesis.fields import FIELDS
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.targets import Draws, Memory, resolve

if TYPE_CHECKING:
    from fencepost.nemesis.faults import Fault

#: What faults strike, the mildest first.
PLANES = ("network", "process", "clock", "disk", "administration")

#: A directed link: source, destination.
Link = tuple[int, int]


class Strike:
    """One fault at work: where it strikes, what it has to remember, and what is written down of it.

    node: whom it strikes; None for kinds that have no target. links: those that it touched.
    over: it has ended, or everything was healed. struck: it was written down as done, not as skipped.
    left: whom it has yet to strike. state: whatever number a kind that goes on striking has to remember.
    """

    __slots__ = (
        "_holds", "_memory", "cluster", "draws", "fault", "index", "left", "links", "node", "over", "state", "struck")

    def __init__(
        self, cluster: Cluster, index: int, fault: "Fault", draws: Draws, memory: Memory,
        holds: dict[tuple[str, int], int],
    ) -> None:
        self.cluster = cluster
        self.index = index
        self.fault = fault
        self.draws = draws
        self.node: int | None = None
        self.links: list[Link] = []
        self.left: list[int] = []
        self.state = 0
        self.over = False
        self.struck = False
        self._memory = memory
        self._holds = holds

    @property
    def target(self) -> int:
        """The node that is struck, of a kind that has a target."""
        assert self.node is not None
        return self.node

    def resolve(self, target: Any) -> int | None:
        """One node that fits a target now, or None."""
        return resolve(target, self.cluster, self.draws, self._memory)

    # --- what overlaps --------------------------------------------------------------------------------------------

    def hold(self, what: str, node: int) -> None:
        """This fault is one more of those that keep the node so (paused, say)."""
        self._holds[what, node] = self._holds.get((what, node), 0) + 1

    def release(self, what: str, node: int) -> bool:
        """It is no longer; whether it was the last that kept the node so."""
        self._holds[what, node] -= 1
        return self._holds[what, node] == 0

    # --- what repeats ---------------------------------------------------------------------------------------------

    def after(self, delay_us: int, step: Callable[["Strike"], None]) -> None:
        """Take a further step in `delay_us`, unless it is over by then."""
        self.cluster.schedule(delay_us, self._step, step)

    def _step(self, step: Callable[["Strike"], None]) -> None:
        if not self.over:
            step(self)

    # --- writing down ---------------------------------------------------------------------------------------------

    def record(self, nodes: Sequence[int], links: Sequence[Link] | None = None, **more: Any) -> None:
        """Write down that it strikes, and whom; later targets may refer to it."""
        fault = self.fault
        if self.node is not None:
            self._memory.previous = self.node
            if fault.name is not None:
                self._memory.struck[fault.name] = self.node
        value: dict[str, Any] = {
            "fault": self.index, "nodes": list(nodes), "duration_us": fault.duration_us, "target": dict(fault.target)}
        if fault.at_point is not None:
            value["point"] = fault.at_point.point
        if links is not None:
            value["links"] = [list(link) for link in links]
        for name, field in FIELDS.items():
            if field.recorded and getattr(fault, name) is not None:
                value[name] = getattr(fault, name)
        value.update(more)
        self.struck = True
        self.cluster.recorder.fault(self.cluster.now_us, fault.kind, nodes[0] if len(nodes) == 1 else None, value)

    def skip(self, why: str) -> None:
        """Write down that it does not strike."""
        self.cluster.recorder.fault(
            self.cluster.now_us, self.fault.kind, None, {"fault": self.index, "nodes": []}, why)


class Kind:
    """A kind of fault.

    name: as schedules write it. needs, may: the fields that it takes besides the common ones.
    ignores: fields that mean nothing to it and may be there: storylines draw one of several kinds.
    plane: what it strikes, one of `PLANES`, and under which heading it is described.
    has_target: False for kinds that strike all Kafka nodes, or what they share.
    lasts: False for what happens in an instant. modes: in which modes of a cluster there is such a thing.
    heal_rank: at the heal, kinds with a lower rank end first.
    milder: the kind that says less to a reader and may do as well; it takes no field that this one does not have.
    told: what happened, for explanations; `{struck}`, `{others}` and the fields' names stand for what was recorded.
    """

    name: ClassVar[str]
    plane: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    may: ClassVar[tuple[str, ...]] = ()
    ignores: ClassVar[tuple[str, ...]] = ()
    has_target: ClassVar[bool] = True
    lasts: ClassVar[bool] = True
    modes: ClassVar[tuple[str, ...]] = ("kraft", "zk")
    heal_rank: ClassVar[int] = 2
    milder: ClassVar[str | None] = None
    told: ClassVar[str | None] = None

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """The fields that it needs besides a target, for a schedule that is drawn; `duration_us` among them where a
        length that has nothing to do with it will not do."""
        return {}

    def refusal(self, fields: Mapping[str, Any]) -> str | None:
        """Why no schedule may have it with these fields, each of which is well-formed; None: it may."""
        return None

    def strike(self, strike: Strike) -> None:
        """Do it and record it, or skip it."""
        raise NotImplementedError

    def undo(self, strike: Strike) -> None:
        """Take it back, at its end or at the heal."""

    def hold_on(self, strike: Strike) -> None:
        """It remains after the heal: see to it that it is so still, whatever else has struck since."""


#: Every kind that is defined so far, by its name. Use `fencepost.nemesis.kinds.KINDS`, which has all.
DEFINED: dict[str, Kind] = {}

K = TypeVar("K", bound=type[Kind])


def kind(cls: K) -> K:
    """Make a kind known."""
    assert cls.name not in DEFINED, cls.name
    DEFINED[cls.name] = cls()
    return cls


def servers(cluster: Cluster) -> list[int]:
    """Every node that is no client's."""
    return sorted({*cluster.controllers, *cluster.brokers, *cluster.zookeepers})
