"""The race for /controller (KafkaController.elect, KafkaZkClient.registerControllerAndIncrementControllerEpoch).

/controller is created and /controller_epoch raised in one multi, against the version of /controller_epoch that was read
before: nobody wins an epoch twice, and the version is what every later write is checked with. Where the multi fails the
znodes are read again: the own id with the epoch that was wanted is a victory whose news got lost.
"""

from collections.abc import Callable

from fencepost.model.protocol import zookeeper as zk
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.event_manager import ControllerMovedError
from fencepost.model.zk_controller.kafka_zk_client import Outcome, WatchHandler
from fencepost.model.zk_controller.metadata_records import offset_of
from fencepost.model.zk_controller.parts import NOBODY, ControllerParts


class ControllerElection:
    """Steps of the controller's events. `fail_over` and `resign` are what taking and leaving office means."""

    def __init__(self, parts: ControllerParts, fail_over: Callable[[], None], resign: Callable[[], None]) -> None:
        self._parts = parts
        self._fail_over = fail_over
        self._resign = resign

    def start(self, on_controller_znode: WatchHandler) -> None:
        """Plan: watch /controller, then race."""
        self._parts.client.change_handlers[znodes.CONTROLLER] = on_controller_znode
        self._parts.zk.ask([zk.ExistsOp(znodes.CONTROLLER)], _ignore)
        self._parts.events.do(self.elect)

    def maybe_resign(self) -> None:
        """Event ControllerChange: who is in office? Resign if it is no longer this process."""
        was_active = self._parts.is_active
        self._parts.zk.ask(
            [zk.ExistsOp(znodes.CONTROLLER), zk.GetDataOp(znodes.CONTROLLER)], self._on_controller_read, was_active)

    def reelect(self) -> None:
        """Event Reelect."""
        self.maybe_resign()
        self._parts.events.do(self.elect)

    def _on_controller_read(self, outcomes: list[Outcome], was_active: bool) -> None:
        self._take_controller(outcomes[-1])
        if was_active and not self._parts.is_active:
            self._resign()

    def _take_controller(self, outcome: Outcome) -> None:
        znode = outcome.result.value
        self._parts.active_controller_id = NOBODY if znode is None else znode.broker_id

    # --- the race ---------------------------------------------------------------------------------------------------

    def elect(self) -> None:
        """Plan: try to become the controller if there is none."""
        self._parts.zk.ask([zk.GetDataOp(znodes.CONTROLLER)], self._on_looked)

    def _on_looked(self, outcomes: list[Outcome]) -> None:
        self._take_controller(outcomes[0])
        if self._parts.active_controller_id == NOBODY:
            self._parts.zk.ask([zk.GetDataOp(znodes.CONTROLLER_EPOCH)], self._on_epoch_read)

    def _on_epoch_read(self, outcomes: list[Outcome]) -> None:
        result = outcomes[0].result
        if result.stat is None:
            create = zk.CreateOp(znodes.CONTROLLER_EPOCH, znodes.INITIAL_CONTROLLER_EPOCH)
            self._parts.zk.ask([create], _ignore)
            self._parts.zk.ask([zk.GetDataOp(znodes.CONTROLLER_EPOCH)], self._on_epoch_read)
            return
        epoch, version = int(result.value) + 1, result.stat.version
        data = znodes.ControllerZnode(self._parts.node.node_id)
        operations = (
            zk.CreateOp(znodes.CONTROLLER, data, ephemeral=True),
            zk.SetDataOp(znodes.CONTROLLER_EPOCH, str(epoch), version))
        self._parts.zk.ask([zk.MultiOp(operations)], self._on_raced, epoch)

    def _on_raced(self, outcomes: list[Outcome], epoch: int) -> None:
        result = outcomes[0].result
        if result.error is None and result.results is not None:
            stat = result.results[1].stat
            assert stat is not None
            self._win(epoch, stat)
        else:
            reads = [zk.GetDataOp(znodes.CONTROLLER), zk.GetDataOp(znodes.CONTROLLER_EPOCH)]
            self._parts.zk.ask(reads, self._check_winner, epoch)

    def _check_winner(self, outcomes: list[Outcome], epoch: int) -> None:
        controller, stored = outcomes[0].result, outcomes[1].result
        is_own = controller.value is not None and controller.value.broker_id == self._parts.node.node_id
        if not is_own or stored.value != str(epoch) or stored.stat is None:
            raise ControllerMovedError
        self._win(epoch, stored.stat)

    def _win(self, epoch: int, stat: zk.Stat) -> None:
        parts = self._parts
        parts.context.epoch, parts.context.epoch_zk_version = epoch, stat.version
        parts.active_controller_id = parts.node.node_id
        value = {"next_offset": offset_of(stat.mzxid + 1), "epoch_start_offset": offset_of(stat.mzxid)}
        parts.node.observe("controller-claimed", value=value, controller_epoch=epoch)
        parts.node.at_point("controller.claimed")
        self._fail_over()


def _ignore(outcomes: list[Outcome]) -> None:
    """Somebody else was first, or a read that only arms the watch."""
