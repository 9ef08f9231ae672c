"""What may happen to the disks of a simulated cluster.

Who loses what was durable may be the last to hold it. A replacement of the disk, or a record that its checksum gives
away, is therefore done only where others hold everything that is committed: an operator looks before he replaces a
disk, and more could not be asked of Kafka. What is in flight at that moment can still be lost; then the checkers
excuse it by what they saw.
"""

from fencepost.model.broker.door import BrokerDoor
from fencepost.model.broker.partition import Partition
from fencepost.model.broker.partition_core import LEADER
from fencepost.model.kernel.disk import BROKEN, LogFile
from fencepost.model.kernel.node import Node


class DiskFaults:
    """The part of a cluster that strikes disks. Nodes are named by their ids."""

    def node(self, node_id: int) -> Node:
        """Any node."""
        raise NotImplementedError

    def running_brokers(self) -> dict[int, BrokerDoor]:
        """The brokers whose processes run, by node id."""
        raise NotImplementedError

    def slow_disk(self, node_id: int, delay_us: int) -> None:
        """Let every fsync of the node take that much longer, or as long again (a negative number)."""
        self.node(node_id).disk.slowdown_us += delay_us

    def stall_disk(self, node_id: int) -> None:
        """Hold the node's fsyncs back; stalls add up."""
        self.node(node_id).disk.stall()

    def release_disk(self, node_id: int) -> None:
        """Take one stall back."""
        self.node(node_id).disk.end_stall()

    def fail_disk(self, node_id: int, failure: str) -> None:
        """Let no write of the node succeed: its disk is `full` or `broken`."""
        self.node(node_id).disk.failure = failure

    def mend_disk(self, node_id: int) -> None:
        """Let writes succeed again."""
        self.node(node_id).disk.failure = None

    def lose_log_directory(self, node_id: int) -> None:
        """The directory with the node's logs is gone, until the disk is mended; the process ends."""
        self.fail_disk(node_id, BROKEN)
        self.node(node_id).lose_log_directory()

    def power_off_in_write(self, node_id: int) -> None:
        """The host loses power in the middle of a write: what had been written before it survives."""
        self.node(node_id).power_off(torn=True)

    def wipe_disk(self, node_id: int) -> None:
        """The host is replaced by one with an empty disk, and is off."""
        self.node(node_id).lose_disk()

    def logs_on(self, node_id: int) -> list[str]:
        """The logs with records on the node's disk, sorted."""
        files = self.node(node_id).disk.files
        return [name for name in sorted(files) if isinstance(log := files[name], LogFile) and log.entries]

    def corrupt_record(self, node_id: int, log: str, number: int) -> None:
        """A bit flips on the node's disk, in one record of the log; which record is told by a random number."""
        file = self.node(node_id).disk.log(log)
        file.damage(file.start_offset + number % len(file.entries))

    def last_copy_on(self, node_id: int, log: str | None) -> str | None:
        """Why what is committed could be lost with this log, or (None) with all that is on the node's disk; None where
        others hold it. It is found out by looking at their disks."""
        logs = [name for name in self.logs_on(node_id) if "/" in name and log in (None, name)]
        return next((danger for name in logs if (danger := self._last_copy_of(node_id, name)) is not None), None)

    def _last_copy_of(self, node_id: int, log: str) -> str | None:
        """The same for the log of one partition, `orders-0/<topic id>`: another member of the ISR, as its leader has
        it, must hold everything that any replica knows to be committed."""
        name, _, topic_id = log.partition("/")
        hosting = {
            broker: partition for broker, server in self.running_brokers().items()
            if (partition := server.replica_manager.partitions.get(name)) is not None
            and partition.topic_id == topic_id}
        if not hosting and any(topic_id not in broker.image.topic_names for broker in self.running_brokers().values()):
            return None
        leader = max((each for each in hosting.values() if each.role == LEADER), key=_epoch, default=None)
        committed = max((partition.high_watermark for partition in hosting.values()), default=0)
        for broker in () if leader is None else leader.isr:
            if broker != node_id and broker in hosting and hosting[broker].log.sound_end(0, committed) == committed:
                return None
        return f"node {node_id} may have the last copy of {name}"


def _epoch(partition: Partition) -> int:
    return partition.leader_epoch
