"""Known bugs of the group coordinator."""

from fencepost.model.broker.group_coordinator import GroupCoordinator
from fencepost.model.broker.group_state import Group
from fencepost.model.bugs.registry import KnownBug


class NoCommitFencing(GroupCoordinator):
    """Commits are taken from any member, instance and generation (one check alone is masked by the next)."""

    def must_hold_instance(self) -> bool:
        """No."""
        return False

    def is_unknown_member(self, group: Group, member_id: str) -> bool:
        """Never."""
        return False

    def is_illegal_generation(self, group: Group, generation: int) -> bool:
        """Never."""
        return False


class NoGenerationCheck(GroupCoordinator):
    """Commits are taken from members of any generation."""

    def is_illegal_generation(self, group: Group, generation: int) -> bool:
        """Never."""
        return False


class NoCoordinatorEpoch(GroupCoordinator):
    """Elections and resignations are obeyed in whatever order they are handled."""

    def is_older_epoch(self, partition: int, epoch: int) -> bool:
        """Never."""
        return False


class ServeAfterPartialLoad(GroupCoordinator):
    """A partition is served though its loading stopped early."""

    def is_loaded(self, position: int, end_offset: int, error: str | None) -> bool:
        """After the first step already."""
        return True


_FENCING_RULES = ("CommittedOffsetNeverOverwrittenByStaleGeneration", "AtMostOnceOwner")

BUGS: tuple[KnownBug, ...] = (
    KnownBug(
        "OFFSET-COMMIT-FENCING", "any",
        "The group coordinator accepts an offset commit from a member of an old generation, or from a static member "
        "that was replaced: a zombie consumer overwrites its successor's position.",
        "GroupCoordinator.validateOffsetCommit; KIP-345", _FENCING_RULES, (NoCommitFencing,)),
    KnownBug(
        "OFFSET-COMMIT-FENCING-GENERATION", "any",
        "The group coordinator accepts an offset commit from a member's own old generation.",
        "GroupCoordinator.validateOffsetCommit", _FENCING_RULES, (NoGenerationCheck,)),
    KnownBug(
        "KAFKA-10614", "any",
        "A resignation that was overtaken by a newer election wipes the coordinator's cache, or an old election brings "
        "a stale one back.",
        "commit c72ce005e70", ("CommittedOffsetReadable", "NoStaleCoordinator"), (NoCoordinatorEpoch,)),
    KnownBug(
        "KAFKA-16030", "any",
        "A coordinator serves a partition whose loading stopped early: old offsets are answered as committed.",
        "commit 46132860765", ("CommittedOffsetReadable",), (ServeAfterPartialLoad,)),
)
