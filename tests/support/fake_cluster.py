"""A cluster that only remembers what the nemesis did to it."""

from collections.abc import Callable, Sequence
from typing import Any

from fencepost.histories.recorder import Recorder
from fencepost.model.kernel.scheduler import Scheduler


class FakeCluster:
    """Three controllers, three brokers, two clients; controller 101 is active and broker 1 leads everything."""

    controllers = (101, 102, 103)
    brokers = (1, 2, 3)
    zookeepers: tuple[int, ...] = ()
    client_ids = (1001, 1002)

    def __init__(self) -> None:
        self.scheduler = Scheduler()
        self.recorder = Recorder()
        self.hook: Callable[[str, int], None] | None = None
        self.cuts: dict[tuple[int, int], int] = {}
        self.slow: dict[tuple[int, int], int] = {}
        self.loss: dict[tuple[int, int], int] = {}
        self.held: dict[tuple[int, int], int] = {}
        self.slowness: dict[int, int] = {}
        self.clocks: dict[int, int] = {}
        self.resets: list[tuple[int, int]] = []
        self.down: list[int] = []
        self.paused: list[int] = []
        self.log: list[tuple[int, str, int]] = []

    @property
    def now_us(self) -> int:
        return self.scheduler.now_us

    def schedule(self, delay_us: int, callback: Callable[..., None], *args: Any) -> Any:
        return self.scheduler.schedule(delay_us, callback, *args)

    def on_point(self, hook: Callable[[str, int], None] | None) -> None:
        self.hook = hook

    def pass_point(self, point: str, node: int) -> None:
        if self.hook is not None:
            self.hook(point, node)

    def roles(self) -> dict[str, list[int]]:
        return {"active-controller": [101], "raft-leader": [101]}

    def leaders_of(self, partition: str) -> list[int]:
        return [1]

    def replicas_of(self, partition: str) -> list[int]:
        return [1, 2, 3]

    def is_running(self, node_id: int) -> bool:
        return node_id not in self.down

    def start_node(self, node_id: int) -> None:
        if node_id in self.down:
            self.down.remove(node_id)
            self.log.append((self.now_us, "start", node_id))

    def kill(self, node_id: int) -> None:
        self.down.append(node_id)
        self.log.append((self.now_us, "kill", node_id))

    def power_off(self, node_id: int) -> None:
        self.down.append(node_id)
        self.log.append((self.now_us, "power-loss", node_id))

    def shut_down(self, node_id: int) -> None:
        self.log.append((self.now_us, "shutdown", node_id))

    def pause(self, node_id: int) -> None:
        if node_id not in self.paused:
            self.paused.append(node_id)

    def resume(self, node_id: int) -> None:
        if node_id in self.paused:
            self.paused.remove(node_id)

    def expire_session(self, node_id: int) -> bool:
        return False

    def delete_controller(self) -> bool:
        return False

    def slow_controller(self, node_id: int, delay_us: int) -> bool:
        return False

    def slow_down(self, source: int, destination: int, latency_us: int) -> None:
        self.slow[(source, destination)] = self.slow.get((source, destination), 0) + latency_us

    def cut(self, source: int, destination: int) -> None:
        self.cuts[(source, destination)] = self.cuts.get((source, destination), 0) + 1

    def uncut(self, source: int, destination: int) -> None:
        self.cuts[(source, destination)] -= 1
        if not self.cuts[(source, destination)]:
            del self.cuts[(source, destination)]

    def lose(self, source: int, destination: int, per_mille: int) -> None:
        _add(self.loss, (source, destination), per_mille)

    def hold(self, source: int, destination: int) -> None:
        _add(self.held, (source, destination), 1)

    def release(self, source: int, destination: int) -> None:
        _add(self.held, (source, destination), -1)

    def reset_connections(self, one: int, other: int) -> None:
        self.resets.append((one, other))

    def slow_node(self, node_id: int, delay_us: int) -> None:
        _add(self.slowness, node_id, delay_us)

    def move_clock(self, node_id: int, by_us: int) -> None:
        _add(self.clocks, node_id, by_us)

    def heal_network(self, isolated: Sequence[int] = ()) -> None:
        for link in [link for link in self.cuts if not set(link) & set(isolated)]:
            del self.cuts[link]


def _add(amounts: dict[Any, int], key: Any, amount: int) -> None:
    """What comes to nothing is gone."""
    amounts[key] = amounts.get(key, 0) + amount
    if not amounts[key]:
        del amounts[key]


class FakeZkCluster(FakeCluster):
    """Three servers of an ensemble, of which 201 leads, and three brokers, of which 1 is the controller and leads."""

    controllers = ()
    zookeepers = (201, 202, 203)

    def roles(self) -> dict[str, list[int]]:
        return {"active-controller": [1], "zookeeper-leader": [201]}

    def expire_session(self, node_id: int) -> bool:
        self.log.append((self.now_us, "expire", node_id))
        return node_id in self.brokers

    def delete_controller(self) -> bool:
        self.log.append((self.now_us, "delete /controller", 201))
        return True

    def slow_controller(self, node_id: int, delay_us: int) -> bool:
        if node_id in self.brokers:
            self.log.append((self.now_us, f"slow {delay_us}", node_id))
        return node_id in self.brokers
