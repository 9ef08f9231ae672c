"""What is asked of a group's coordinator in a story, in one form for either side."""

from typing import NamedTuple

#: Nobody's session runs out in a story.
SESSION_S = 600


class Join(NamedTuple):
    """JoinGroup; a new member's id is ""."""

    member: str
    topics: tuple[str, ...]


class Sync(NamedTuple):
    """SyncGroup by the leader, who takes everything."""

    member: str
    generation: int


class Heartbeat(NamedTuple):
    """Heartbeat."""

    member: str
    generation: int


class Commit(NamedTuple):
    """OffsetCommit for partition 0 of the topic "consumed"."""

    member: str
    generation: int
    offset: int


GroupRequest = Join | Sync | Heartbeat | Commit


class GroupAnswer(NamedTuple):
    """error: Kafka's name, "ok", or "no answer". generation and member: what a join is told."""

    error: str
    generation: int = -1
    member: str = ""
