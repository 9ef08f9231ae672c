"""Known bugs of the group coordinator: what it did, or would do without one of its guards."""

from fencepost.model.broker.group_coordinator import GroupCoordinator
from fencepost.model.broker.group_partition import GroupPartition
from fencepost.model.broker.group_state import Group
from fencepost.model.bugs.registry import KnownBug


class NoCommitFencing(GroupCoordinator):
    """Commits are taken from any instance, member and generation."""

    def is_fenced_instance(self, group: Group, instance_id: str | None, member_id: str) -> bool:
        """Never."""
        return False

    def is_unknown_member(self, group: Group, instance_id: str | None, member_id: str) -> bool:
        """Never."""
        return False

    def is_illegal_generation(self, group: Group, generation: int) -> bool:
        """Never."""
        return False


class NoGenerationCheck(GroupCoordinator):
    """Commits are taken from members in any generation."""

    def is_illegal_generation(self, group: Group, generation: int) -> bool:
        """Never."""
        return False


class NoMemberAndGenerationCheck(GroupCoordinator):
    """Commits are taken from members that were removed: without the second check, the first is masked."""

    def is_unknown_member(self, group: Group, instance_id: str | None, member_id: str) -> bool:
        """Never."""
        return False

    def is_illegal_generation(self, group: Group, generation: int) -> bool:
        """Never."""
        return False


class NoInstanceAndMemberCheck(GroupCoordinator):
    """Commits are taken from static members whose instance id another member holds by now."""

    def is_fenced_instance(self, group: Group, instance_id: str | None, member_id: str) -> bool:
        """Never."""
        return False

    def is_unknown_member(self, group: Group, instance_id: str | None, member_id: str) -> bool:
        """Never."""
        return False


class NoCoordinatorEpoch(GroupCoordinator):
    """Elections and resignations are obeyed in whatever order they are handled; what is owned is not loaded again."""

    def is_overtaken(self, partition: int, epoch: int) -> bool:
        """Never."""
        return False

    def is_cache_current(self, home: GroupPartition, epoch: int) -> bool:
        """Always."""
        return True


class ServeAfterPartialLoad(GroupCoordinator):
    """A partition is served though its loading stopped early."""

    def is_loaded(self, position: int, end_offset: int, error: str | None) -> bool:
        """After the first step already."""
        return True


class CompleteByOffsetOnly(GroupCoordinator):
    """A high watermark completes writes whatever log it is of."""

    def is_another_epochs(self, home: GroupPartition, leader_epoch: int) -> bool:
        """Nobody looks."""
        return False


_STALE = "CommittedOffsetNeverOverwrittenByStaleGeneration"
_SOURCE = "GroupCoordinator.validateOffsetCommit; KIP-345 commits 0f995ba6be1, 9fa331b811d"

BUGS: tuple[KnownBug, ...] = (
    KnownBug(
        "OFFSET-COMMIT-FENCING", "any",
        "The group coordinator accepts an offset commit from a member of an old generation, or from a static member "
        "that was replaced: a zombie consumer overwrites its successor's position.",
        _SOURCE, (_STALE, "AtMostOnceOwner"), (NoCommitFencing,)),
    KnownBug(
        "OFFSET-COMMIT-FENCING-GENERATION", "any",
        "The group coordinator accepts a delayed offset commit of a member's own old generation.",
        _SOURCE, (_STALE, "AtMostOnceOwner"), (NoGenerationCheck,)),
    KnownBug(
        "OFFSET-COMMIT-FENCING-MEMBER", "any",
        "The group coordinator accepts an offset commit from a member that it has removed.",
        _SOURCE, (_STALE, "AtMostOnceOwner"), (NoMemberAndGenerationCheck,)),
    KnownBug(
        "OFFSET-COMMIT-FENCING-INSTANCE", "any",
        "The group coordinator accepts an offset commit from a static member whose group.instance.id another member "
        "holds by now.",
        _SOURCE, (_STALE, "AtMostOnceOwner"), (NoInstanceAndMemberCheck,)),
    KnownBug(
        "KAFKA-10614", "any",
        "A resignation that was overtaken by a newer election wipes the coordinator's cache, or an old cache is served "
        "in a new epoch.",
        "commit c72ce005e70", ("CommittedOffsetReadable",), (NoCoordinatorEpoch,), ("CommitEventuallyReadable",)),
    KnownBug(
        "KAFKA-16030", "any",
        "A coordinator serves a partition whose loading stopped early: old offsets are answered as committed.",
        "commit 46132860765", ("CommittedOffsetReadable",), (ServeAfterPartialLoad,)),
    KnownBug(
        "KAFKA-20634", "any",
        "A deposed coordinator answers a commit ok when the new leader's high watermark passes the commit's offset, "
        "though the commit's own record was truncated.",
        "PR apache/kafka#22444", ("CommittedOffsetReadable", "NoAckedRecordLost"), (CompleteByOffsetOnly,)),
)
