"""What is asked of a group's coordinator, in terms that mean the same to the model and to a real one.

Members are letters; an id is the one that the letter was given last (`OWN`), another letter's, or none of the group's.
Generations are told relative to the last one that anybody was told: 0 is that one, `NONE` Kafka's -1. Requests may wait
for others: each has a number, and a step brings the answers to whatever requests it completes.
"""

from typing import NamedTuple

from steps import NONE

OWN, NOBODY, STRANGER = "own", "", "stranger"


class Join(NamedTuple):
    """JoinGroup; `identity` NOBODY asks for a new id."""

    member: str
    identity: str = NOBODY
    instance: str | None = None
    topics: tuple[str, ...] = ("orders",)


class Sync(NamedTuple):
    """SyncGroup with an assignment for everybody who is known: each has one partition."""

    member: str
    identity: str = OWN
    generation: int = 0
    instance: str | None = None


class Beat(NamedTuple):
    """Heartbeat."""

    member: str
    identity: str = OWN
    generation: int = 0
    instance: str | None = None


class Leave(NamedTuple):
    """LeaveGroup."""

    member: str
    identity: str = OWN
    instance: str | None = None


class Commit(NamedTuple):
    """OffsetCommit of partition 0."""

    member: str
    identity: str = OWN
    generation: int = 0
    instance: str | None = None
    offset: int = 5
    topic: str = "orders"


class FetchOffset(NamedTuple):
    """OffsetFetch of partition 0."""

    stable: bool = True


GroupStep = Join | Sync | Beat | Leave | Commit | FetchOffset


class GroupAnswer(NamedTuple):
    """The answer to request `number`. error: Kafka's name, or None. facts: what else it says, with labels for ids."""

    number: int
    error: str | None
    facts: tuple[tuple[str, object], ...] = ()


class Membership:
    """What one side has been told of its group: ids by letter, and the generation. The second id of "a" is "a2"."""

    def __init__(self) -> None:
        self.generation = 0
        self._ids: dict[str, str] = {}
        self._labels: dict[str, str] = {}

    def identity(self, member: str, identity: str) -> str:
        """The member id that a step means."""
        if identity in (NOBODY, STRANGER):
            return identity
        return self._ids.get(member if identity == OWN else identity, STRANGER)

    def generation_of(self, relative: int) -> int:
        """The generation that a step means."""
        return -1 if relative == NONE else self.generation + relative

    def assignment(self) -> dict[str, int]:
        """A partition for each id that was ever given."""
        return {member_id: place for place, member_id in enumerate(self._labels)}

    def joined(
        self, member: str, generation: int, member_id: str, leader: str, members: dict[str, tuple[str, ...]],
    ) -> tuple[tuple[str, object], ...]:
        """Take a JoinGroup's answer in, and give it with labels."""
        self.generation = max(generation, self.generation)
        if member_id not in self._labels:
            count = sum(label.startswith(member) for label in self._labels.values())
            self._labels[member_id] = f"{member}{count + 1}"
        self._ids[member] = member_id
        everybody = sorted((self._labels.get(one, "new"), topics) for one, topics in members.items())
        return (("generation", generation), ("member", self._labels[member_id]),
                ("leader", self._labels.get(leader, "new")), ("members", tuple(everybody)))
