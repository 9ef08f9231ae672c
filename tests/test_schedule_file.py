"""Schedules as people write them."""

import json
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT

from fencepost.harness.schedule_file import read_schedule
from fencepost.histories.errors import InputError
from fencepost.nemesis.faults import schedule_from_data


def test_durations_and_targets_in_words_are_those_of_the_spec() -> None:
    written = [
        {"kind": "kill", "name": "first", "at": "1.5s", "duration": "20ms", "target": "follower orders-0"},
        {"kind": "latency-spikes", "others": "brokers", "latency": "5ms", "period": "1s", "duration": "2s",
         "at_point": {"point": "broker.appended", "from": "3s", "delay": "10us", "by": "first"},
         "target": "follower orders-0 but first"},
        {"kind": "clock-jump", "offset": "-2s", "at": "0s", "duration": "0s", "target": "node 2"},
        {"kind": "link", "at": "1s", "duration": "1s", "target": "struck first", "other": "active-controller"},
    ]
    assert read_schedule(written, "faults.json") == [
        {"kind": "kill", "name": "first", "at_us": 1_500_000, "duration_us": 20_000,
         "target": {"role": "follower", "partition": "orders-0"}},
        {"kind": "latency-spikes", "others": "brokers", "latency_us": 5_000, "period_us": 1_000_000,
         "duration_us": 2_000_000,
         "at_point": {"point": "broker.appended", "from_us": 3_000_000, "delay_us": 10, "by": "first"},
         "target": {"role": "follower", "partition": "orders-0", "but": "first"}},
        {"kind": "clock-jump", "offset_us": -2_000_000, "at_us": 0, "duration_us": 0,
         "target": {"role": "node", "id": 2}},
        {"kind": "link", "at_us": 1_000_000, "duration_us": 1_000_000, "target": {"role": "struck", "name": "first"},
         "other": {"role": "active-controller"}},
    ]
    assert len(schedule_from_data(read_schedule(written, "faults.json"), "faults.json")) == len(written)


def test_the_specs_own_form_stays_as_it_is() -> None:
    data = [{"kind": "halves", "at_us": 1, "duration_us": 2}]
    assert read_schedule(data, "faults.json") == read_schedule({"faults": data, "about": "x"}, "faults.json") == data
    assert read_schedule("nothing", "faults.json") == "nothing"
    assert read_schedule([1], "faults.json") == [1]


@pytest.mark.parametrize(("fault", "message"), [
    ({"at": "soon"}, "fault 0: at: 'soon' is no duration"),
    ({"at": 3}, "at is a text such as"),
    ({"at": "3s", "at_us": 3}, "at and at_us say the same"),
    ({"at_point": {"from": "soon"}}, "fault 0: at_point: from: 'soon' is no duration"),
    ({"target": "broker 2"}, "the role broker takes nothing besides"),
])
def test_what_cannot_be_read_is_said_in_one_line(fault: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_schedule([fault], "faults.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "how-to").glob("*.json")), ids=lambda path: path.stem)
def test_the_examples_can_be_read(path: Path) -> None:
    assert schedule_from_data(read_schedule(json.loads(path.read_text()), path.name), path.name)


def test_what_the_how_to_writes_can_be_read() -> None:
    page = (ROOT / "docs" / "how-to" / "write-a-schedule.md").read_text()
    blocks = [block.split("```")[0] for block in page.split("```json\n")[1:]]
    assert blocks
    for block in blocks:
        assert schedule_from_data(read_schedule(json.loads(block), "page"), "page")
