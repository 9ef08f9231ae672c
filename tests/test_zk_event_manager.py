"""The controller's queue and thread: events one after the other, steps in the order of statements."""

import pytest
from kernel_nodes import two_nodes

from fencepost.model.zk_controller.event_manager import (
    ControllerEventManager,
    ControllerMovedError,
    SessionExpiredError,
)


class Script:
    """An event manager and what its steps did, in order."""

    def __init__(self) -> None:
        self.simulation, _, node, _ = two_nodes()
        self.events = ControllerEventManager(node)
        self.events.on_moved = lambda: self.note("moved")
        self.done: list[str] = []

    def note(self, what: str) -> None:
        self.done.append(what)

    def nest(self, name: str, depth: int) -> None:
        """A step that calls itself twice, as a function would."""
        self.note(name)
        if depth:
            self.events.do(self.nest, f"{name}a", depth - 1)
            self.events.do(self.nest, f"{name}b", depth - 1)

    def wait(self) -> None:
        self.note("waits")
        self.events.block()

    def fail(self, error: type[Exception]) -> None:
        self.events.do(self.note, "never")
        raise error

    def run(self) -> list[str]:
        self.simulation.scheduler.run_until(self.simulation.scheduler.now_us + 1_000_000)
        return self.done


def test_steps_run_as_nested_calls_do():
    script = Script()
    script.events.put(script.nest, "x", 2)
    script.events.put(script.note, "next event")
    assert script.run() == ["x", "xa", "xaa", "xab", "xb", "xba", "xbb", "next event"]


def test_a_step_that_waits_holds_back_its_event_and_those_behind_it():
    script = Script()
    script.events.put(lambda: (script.events.do(script.wait), script.events.do(script.note, "after")))
    script.events.put(script.note, "next event")
    assert script.run() == ["waits"]
    script.events.unblock(script.note, "answered")
    assert script.run() == ["waits", "answered", "after", "next event"]


@pytest.mark.parametrize(("error", "instead"), [(ControllerMovedError, ["moved"]), (SessionExpiredError, [])])
def test_an_event_that_fails_ends_at_once_and_is_answered(error, instead):
    script = Script()
    script.events.put(script.fail, error, failed=script.note)
    script.events.put(script.note, "next event")
    assert script.run() == ["UNKNOWN_SERVER_ERROR", *instead, "next event"]


def test_an_expiry_drops_what_waits_and_not_what_is_under_way():
    script = Script()
    script.events.put(lambda: (script.events.do(script.wait), script.events.do(script.note, "after")))
    script.events.put(script.note, "dropped", failed=script.note)
    script.run()
    script.events.clear_and_put(lambda: script.note("expired"), lambda: script.note("begins"))
    assert script.run() == ["waits", "NOT_CONTROLLER"]
    script.events.unblock(script.note, "answered")
    assert script.run()[2:] == ["answered", "after", "begins", "expired"]


def test_a_slow_thread_takes_so_much_longer_for_each_event():
    script = Script()
    script.events.delay_us = 600_000
    for number in (1, 2):
        script.events.put(script.note, f"event {number}")
    assert script.run() == ["event 1"]
    assert script.events.size == 1
    assert script.run() == ["event 1", "event 2"]
