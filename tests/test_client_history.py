"""Histories of whole runs obey Jepsen's rules: one open operation a process, `info` retires it, all completes."""

from typing import Any

import pytest

from fencepost.harness.execution import Execution
from fencepost.harness.spec import RunSpec
from fencepost.histories.event import COMPLETIONS, INFO, INVOKE
from fencepost.model.cluster import OPERATORS_PROCESS

CLIENTS = 6


@pytest.fixture(scope="module", params=[5, 6, 7])
def execution(request: pytest.FixtureRequest) -> Execution:
    execution = Execution(RunSpec(seed=request.param, duration_us=6_000_000))
    execution.run_to_end()
    return execution


def by_process(execution: Execution) -> dict[int, list[Any]]:
    events: dict[int, list[Any]] = {}
    for event in execution.recorder.events:
        if event.process is not None:
            events.setdefault(event.process, []).append(event)
    return events


def test_a_process_completes_what_it_invoked_before_it_goes_on(execution: Execution) -> None:
    for events in by_process(execution).values():
        assert len(events) % 2 == 0
        for invocation, completion in zip(events[::2], events[1::2], strict=True):
            assert invocation.type == INVOKE
            assert completion.type in COMPLETIONS
            assert (invocation.f, invocation.key) == (completion.f, completion.key)
            assert invocation.value.items() <= completion.value.items()


def test_operations_complete_in_bounded_time(execution: Execution) -> None:
    config = execution.cluster.clients[0].config
    limit_us = max(config.delivery_timeout_us, config.default_api_timeout_us)
    paused = {event.node for event in execution.recorder.events if event.f == "node-paused"}
    for process, events in by_process(execution).items():
        if 1001 + process % CLIENTS not in paused:
            for invocation, completion in zip(events[::2], events[1::2], strict=True):
                assert completion.time_us - invocation.time_us <= limit_us


def test_an_info_is_a_process_last_word_and_its_client_goes_on_as_the_next(execution: Execution) -> None:
    histories = by_process(execution)
    retired = [process for process, events in histories.items() if events[-1].type == INFO]
    assert retired
    for process, events in histories.items():
        assert all(event.type != INFO for event in events[:-1])
        if CLIENTS <= process < OPERATORS_PROCESS:
            assert histories[process - CLIENTS][-1].type == INFO


def test_records_are_written_once_and_named_after_their_process(execution: Execution) -> None:
    records = [
        (record, event.process) for event in execution.recorder.events
        if event.type == INVOKE and event.f == "produce" for record in event.value["records"]]
    assert len({record for record, _ in records}) == len(records)
    assert all(record.startswith(f"p{process}-") for record, process in records)
