"""The four measurements. Each is a story told to one scene, and gives figures in virtual microseconds.

- failover: the active controller, a broker too, is killed. `elected`: another one is in office. `first_change`: a topic
  created by an administrator who keeps asking is acknowledged. `last_writable`: the last partition that the dead broker
  led has a leader that takes writes. `reload`: what the dead controller had needed, when it took office with every
  broker there, from its election until it was ready; 0 with KRaft, where nothing is reloaded.
- topic-create: `create` and `delete` of one topic of ten partitions, from the request to its answer, the mean of some.
- broker-crash: a broker that is not in control is killed. `detected`: the controller knows (with KRaft: and has worked
  out what follows). `recovered`: the last partition that it led has a leader that takes writes.
- controlled-shutdown: a broker that is not in control is asked to end. `moved`: the last partition that it led has
  another leader. `ended`: its process may end.
"""

from collections.abc import Callable
from typing import Any

from fencepost.harness.compare import assumptions
from fencepost.harness.compare.scene import Scene

#: A measurement's figures by name, in microseconds.
Figures = dict[str, int]

#: How many topics are created and deleted.
_TOPICS = 5


class _Heirs:
    """Waits for new leaders of a broker's partitions. last_us: when the last of them took over; None before."""

    def __init__(self, scene: Scene, broker_id: int) -> None:
        self._orphans = dict.fromkeys(scene.led_by(broker_id))
        self._broker_id = broker_id
        self.last_us: int | None = None
        scene.watch.listeners["leader-start"] = self._on_leader

    def _on_leader(self, time_us: int, node: int | None, key: str | None, value: Any) -> None:
        if node != self._broker_id and key in self._orphans:
            del self._orphans[key]
            self.last_us = time_us

    @property
    def complete(self) -> bool:
        """Every partition has a new leader."""
        return not self._orphans


class _First:
    """Remembers when something was first observed (of which `matches` says so). at_us: None before."""

    def __init__(self, scene: Scene, f: str, matches: Callable[[int | None, Any], bool]) -> None:
        self._matches = matches
        self.at_us: int | None = None
        scene.watch.listeners[f] = self._on_observation

    def _on_observation(self, time_us: int, node: int | None, key: str | None, value: Any) -> None:
        if self.at_us is None and self._matches(node, value):
            self.at_us = time_us


def failover(scene: Scene) -> Figures:
    """See the module."""
    (controller,) = scene.controllers()
    reload_us = scene.reload_us
    elected = _First(scene, "controller-claimed", lambda node, value: node != controller)
    heirs = _Heirs(scene, controller)
    asked, crashed_us = scene.bystander(), scene.now_us
    scene.cluster.kill(controller)
    scene.probe.administer(asked, "create-topic", lambda attempt: _topic(f"probe-{attempt}", partitions=1))
    scene.wait_for(lambda: heirs.complete and scene.probe.answered_us is not None)
    figures = _since(
        crashed_us, elected=elected.at_us, first_change=scene.probe.answered_us, last_writable=heirs.last_us)
    return {**figures, "reload": reload_us}


def topic_create(scene: Scene) -> Figures:
    """See the module."""
    asked = scene.bystander()
    total_us = {"create": 0, "delete": 0}
    for number in range(_TOPICS):
        topic = _topic(f"probe-{number}", assumptions.PARTITIONS_PER_TOPIC)
        for what, operation, arguments in (
            ("create", "create-topic", topic), ("delete", "delete-topic", {"name": topic["name"]})
        ):
            total_us[what] += _administer(scene, asked, operation, arguments)
    return {what: spent_us // _TOPICS for what, spent_us in total_us.items()}


def broker_crash(scene: Scene) -> Figures:
    """See the module."""
    victim = scene.bystander()
    detected = _detection(scene, victim)
    heirs = _Heirs(scene, victim)
    crashed_us = scene.now_us
    scene.cluster.kill(victim)
    scene.wait_for(lambda: heirs.complete and detected.at_us is not None)
    return _since(crashed_us, detected=detected.at_us, recovered=heirs.last_us)


def controlled_shutdown(scene: Scene) -> Figures:
    """See the module."""
    leaver = scene.bystander()
    ended = _First(scene, "node-stopped", lambda node, value: node == leaver)
    heirs = _Heirs(scene, leaver)
    asked_us = scene.now_us
    scene.cluster.shut_down(leaver)
    scene.wait_for(lambda: heirs.complete and ended.at_us is not None)
    return _since(asked_us, moved=heirs.last_us, ended=ended.at_us)


def _detection(scene: Scene, victim: int) -> _First:
    """The controller has read a list of brokers without the victim, or decided to fence it."""
    if scene.mode == "zk":
        return _First(scene, "broker-list", lambda node, value: victim in value["dead"])
    return _First(scene, "metadata-write", lambda node, value: any(
        name in ("PartitionChangeRecord", "BrokerRegistrationChangeRecord") for name, _ in value["records"]))


def _administer(scene: Scene, broker_id: int, operation: str, arguments: dict[str, Any]) -> int:
    """How long one operation takes, in microseconds."""
    asked_us = scene.now_us
    scene.probe.administer(broker_id, operation, lambda attempt: arguments)
    scene.wait_for(lambda: scene.probe.answered_us is not None)
    assert scene.probe.answered_us is not None
    return scene.probe.answered_us - asked_us


def _topic(name: str, partitions: int) -> dict[str, Any]:
    return {
        "name": name, "partitions": partitions, "replication_factor": assumptions.REPLICATION_FACTOR, "configs": {}}


def _since(start_us: int, **moments: int | None) -> Figures:
    """Durations since `start_us`; what never came, for a broker that led nothing, took no time."""
    return {name: 0 if moment is None else moment - start_us for name, moment in moments.items()}


MEASUREMENTS: dict[str, Callable[[Scene], Figures]] = {
    "failover": failover, "topic-create": topic_create, "broker-crash": broker_crash,
    "controlled-shutdown": controlled_shutdown,
}
