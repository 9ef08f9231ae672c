"""Real brokers in ZooKeeper mode as a stage."""

from collections.abc import Callable

from kazoo.client import KazooClient
from stories.control_wire import controlled_shutdown, stop_replica
from stories.real_stage import RealQuestion, RealStage, create_topic_request, named
from stories.stage import Question
from stories.zk_log import TransactionLog
from stories.zk_nodes import BROKERS, ZkNodes
from stories.zk_stage import CONTROLLER, Change, ZkStage


class RealZkStage(RealStage, ZkStage):
    """Real brokers, and what a real ZooKeeper has logged."""

    def __init__(self, nodes: ZkNodes) -> None:
        ZkStage.__init__(self)
        self._nodes = nodes
        self._log = TransactionLog(nodes.zookeeper_data)
        self.brokers = BROKERS

    def act(self, act: str, node: int) -> None:
        self._nodes.act(act, node)

    def answers(self, node: int) -> bool:
        return self._nodes.answers(node)

    def port_of(self, broker: int) -> int:
        return self._nodes.broker_ports[broker]

    def committed(self) -> list[Change]:
        return self._log.changes()

    def order_topic(self, broker: int, topic: str, replicas: tuple[int, ...]) -> Question[str]:
        return RealQuestion(
            self.port_of(broker), create_topic_request(topic, replicas),
            named(lambda answer: answer.topics[0].error_code))

    def lose_answer(self, broker: int, path: str) -> Callable[[], bool]:
        proxy = self._nodes.proxies[broker]
        proxy.lose_answer(path)
        return lambda: proxy.has_lost

    def outlive(self, broker: int) -> Callable[[], None]:
        return self._nodes.proxies[broker].hold_sessions()

    def runs(self, broker: int) -> bool:
        return self._nodes.answers(broker)

    def stop_replica(
        self, broker: int, controller: int, controller_epoch: int, broker_epoch: int, topic: str, delete: bool
    ) -> str:
        return stop_replica(self.port_of(broker), controller, controller_epoch, broker_epoch, topic, delete)

    def controlled_shutdown(self, receiver: int, broker: int, broker_epoch: int) -> str:
        return controlled_shutdown(self.port_of(receiver), broker, broker_epoch)

    def delete_controller(self) -> None:
        client = KazooClient(f"127.0.0.1:{self._nodes.zookeeper_port}")
        client.start()
        try:
            client.delete(CONTROLLER)
        finally:
            client.stop()
            client.close()
