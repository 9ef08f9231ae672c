"""The ZooKeeper-mode controller under drawn faults: whatever happens, in the end one controller is in office and knows
what is in ZooKeeper, every partition is led and wholly in sync, deletions and reassignments are over, and no rule of
the history is broken."""

from collections.abc import Callable

import pytest
from zk_brokers import CONFIG, CapturedReply, ZkWorld

from fencepost.checkers.single_controller import SingleController
from fencepost.checkers.zk_write_fencing import ZkWriteFencing
from fencepost.model.kernel.randomness import Stream
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.controller import AlterPartitionRequest
from fencepost.model.protocol.zk_controller import ControlledShutdownRequest
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.context import LeaderAndIsr
from fencepost.model.zk_controller.topic_znodes import decode_assignments

BROKERS = 4


class Chaos:
    """One run: faults and requests drawn from a seed, then a quiet end."""

    def __init__(self, seed: int) -> None:
        self.world = ZkWorld(BROKERS, CONFIG)
        self.stream = Stream(seed, "chaos")
        self.topics = 0
        self.actions: list[Callable[[], None]] = [
            self.crash, self.bounce, self.expire, self.pause, self.lose_an_answer, self.delete_controller,
            self.create_topic, self.create_topic, self.delete_topic, self.reassign, self.elect, self.shrink,
            self.shut_down, self.cut,
        ]

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.stream.choice(self.actions)()
            self.world.settle(self.stream.choice([100, 500, 2_000, 20_000, 300_000]))
        self.world.network.heal()
        for _ in range(3):
            for node in self.world.brokers.values():
                node.resume()
                self.world.settle()
                node.start()
                self.world.settle()
            self.world.settle(20_000_000)
        [active] = self.world.active
        for broker_id in list(self.world[active].controller.parts.context.shutting_down):
            self.world.crash(broker_id)
            self.world[broker_id].start()
            self.world.settle()
        for _ in range(3):
            self.let_replicas_catch_up()

    def let_replicas_catch_up(self) -> None:
        """Every leader asks for an ISR of all replicas."""
        [active] = self.world.active
        context = self.world[active].controller.parts.context
        for partition in list(context.partitions()):
            path = znodes.state_path(*partition)
            if self.world.tree.exists(path) and self.world.tree.data(path).leader >= 0:
                state, version = self.world.tree.data(path), self.world.tree.nodes[path][3]
                isr = tuple((replica, -1) for replica in context.assignment(partition).replicas)
                epoch = self.world[state.leader].registrar.broker_epoch
                request = AlterPartitionRequest(
                    state.leader, epoch, context.topics[partition[0]], partition[1], state.leader_epoch, version, isr,
                    state.leader_recovery_state)
                assert self.world.ask(active, request).error is None

    def broker(self) -> int:
        return 1 + self.stream.below(BROKERS)

    # --- what may happen --------------------------------------------------------------------------------------------

    def crash(self) -> None:
        node = self.world[self.broker()]
        if node.running:
            node.kill()
            node.session.close()

    def bounce(self) -> None:
        node = self.world[self.broker()]
        if node.running:
            node.kill()
            node.session.close()
        node.start()

    def expire(self) -> None:
        node = self.world[self.broker()]
        if node.running and node.session.session_id in self.world.tree.sessions:
            self.world.tree.expire(node.session.session_id)

    def pause(self) -> None:
        node = self.world[self.broker()]
        if node.paused:
            node.resume()
        elif node.running:
            node.pause()

    def lose_an_answer(self) -> None:
        node = self.world[self.broker()]
        if node.running:
            node.session.losing_answers = True

    def delete_controller(self) -> None:
        self.world.tree.operate(zk.DeleteOp(znodes.CONTROLLER))

    def create_topic(self) -> None:
        self.topics += 1
        brokers = list(range(1, BROKERS + 1))
        replicas = tuple((index, tuple(self.stream.sample(brokers, 3))) for index in range(2))
        name = f"t{self.topics}"
        self.world.tree.operate(zk.CreateOp(znodes.topic_path(name), znodes.TopicZnode(f"{name}@1", replicas)))

    def topic(self) -> str:
        return f"t{1 + self.stream.below(max(1, self.topics))}"

    def delete_topic(self) -> None:
        self.world.tree.operate(zk.CreateOp(znodes.delete_topic_path(self.topic()), None))

    def reassign(self) -> None:
        arguments = {
            "topic": self.topic(), "partition": 0, "replicas": self.stream.sample(list(range(1, BROKERS + 1)), 2)}
        for broker_id in self.world.active:
            self.world[broker_id].controller.reassign(arguments, lambda response: None)

    def elect(self) -> None:
        for broker_id in self.world.active:
            self.world[broker_id].controller.elect_leader(
                {"topic": self.topic(), "partition": 1, "election_type": "preferred"}, lambda response: None)

    def shrink(self) -> None:
        """A leader takes itself for the only one in sync (up to 2.6)."""
        path = znodes.state_path(self.topic(), 0)
        if self.world.tree.exists(path):
            state, version = self.world.tree.data(path), self.world.tree.nodes[path][3]
            if state.leader >= 0:
                self.world.tree.operate(zk.SetDataOp(path, state._replace(isr=(state.leader,)), version))
                change = znodes.IsrChangeZnode(((path.split("/")[3], 0),))
                self.world.tree.operate(
                    zk.CreateOp(f"{znodes.ISR_CHANGES}/isr_change_", change, sequential=True))

    def shut_down(self) -> None:
        for broker_id in self.world.active[:1]:
            other = self.broker()
            request = ControlledShutdownRequest(other, self.world[other].registrar.broker_epoch)
            self.world[broker_id].deliver(request, CapturedReply())

    def cut(self) -> None:
        self.world.network.links.cut(self.broker(), self.broker())

    # --- how it ends --------------------------------------------------------------------------------------------------

    def check(self) -> None:
        world = self.world
        [active] = world.active
        assert world.tree.data(znodes.CONTROLLER).broker_id == active
        context = world[active].controller.parts.context
        assert context.epoch == int(world.tree.data(znodes.CONTROLLER_EPOCH))
        assert context.live_brokers == {
            broker_id: world.tree.nodes[znodes.broker_path(broker_id)][1] for broker_id in range(1, BROKERS + 1)}
        assert sorted(context.topics) == list(world.tree.children(znodes.TOPICS))
        assert world.tree.children(znodes.DELETE_TOPICS) == ()
        for topic in context.topics:
            assignments = decode_assignments(world.tree.data(znodes.topic_path(topic)))
            assert context.assignments[topic] == assignments
            for partition in assignments:
                path = znodes.state_path(topic, partition)
                state = LeaderAndIsr.of(world.tree.data(path), world.tree.nodes[path][3])
                assert context.leadership[(topic, partition)] == state
                assert sorted(state.isr) == sorted(assignments[partition].replicas)
                assert state.leader in state.isr
                assert world[state.leader].roles(topic, partition)[-1].leader_epoch == state.leader_epoch
        assert not context.being_reassigned
        for checker in (SingleController({"mode": "zk"}), ZkWriteFencing({"mode": "zk"})):
            for event in world.recorder.events:
                if event.f in checker.consumes:
                    checker.feed(event)
            assert [violation.message for violation in checker.violations] == []


@pytest.mark.parametrize("seed", range(25))
def test_after_any_faults_the_controller_and_zookeeper_agree(seed):
    chaos = Chaos(seed)
    chaos.run(60)
    chaos.check()
