"""The examples of the documents, run as they stand there."""

import doctest
import json
import re
from pathlib import Path

import pytest
from command_line import Command, in_process
from documents import ROOT, examples, words

from fencepost.model.bugs.catalogue import all_bugs

SAMPLE_PROPERTIES = """
node.id=1
process.roles=broker,controller
controller.quorum.voters=1@localhost:9093
controller.listener.names=CONTROLLER
num.network.threads=3
"""


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """The `fencepost` command, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return in_process(monkeypatch, capsys)


def test_the_failure_in_the_readme_is_what_the_command_prints(tmp_path: Path, command: Command) -> None:
    (example,) = [example for example in examples(ROOT / "README.md") if example.arguments[0] == "campaign"]
    code, output, _ = command(*example.arguments, "--no-shrink")
    assert code == 1
    assert example.shown in words(output)


def test_the_zombie_controller_in_the_readme_is_fenced_and_obeyed_as_it_says(tmp_path: Path, command: Command) -> None:
    found = [example for example in examples(ROOT / "README.md") if "--schedule" in example.arguments]
    codes = []
    for example in found:
        arguments = [
            str(ROOT / argument) if argument.startswith("docs/") else argument for argument in example.arguments]
        code, output, _ = command(*arguments)
        codes.append(code)
        assert example.shown in words(output)
    assert codes == [0, 1]


def test_the_tutorial_works_from_beginning_to_end(tmp_path: Path, command: Command) -> None:
    page = ROOT / "docs" / "tutorial" / "first-failure.md"
    campaign, replay, moment, less = examples(page)
    assert command(*campaign.arguments, "--no-shrink")[0] == 1
    seed = min(int(path.name.rpartition("-")[2]) for path in (tmp_path / "store").iterdir() if path.is_dir())
    directory = tmp_path / "store" / f"kraft-KAFKA-1211-{seed}"
    faults = json.loads((directory / "spec.json").read_text())["faults"]
    (tmp_path / "fewer.json").write_text(json.dumps(faults[:-1]))
    codes = []
    for example in (replay, moment, less):
        arguments = [argument.replace("<seed>", str(seed)) for argument in example.arguments]
        codes.append(command(*arguments)[0])
    assert codes[:2] == [0, 0]
    assert codes[2] in (0, 1), "with a fault less the bug may show or not"


def test_a_schedule_as_the_how_to_writes_it(tmp_path: Path, command: Command) -> None:
    page = ROOT / "docs" / "how-to" / "write-a-schedule.md"
    schedule = page.read_text().split("```json\n")[1].split("```")[0]
    (tmp_path / "schedule.json").write_text(schedule)
    example, *others = examples(page)
    code, output, _ = command(*example.arguments, "--json")
    assert code == 0
    struck = json.loads(output)["coverage"]["faults"]
    assert set(struck) == {fault["kind"] for fault in json.loads(schedule)}
    told = []
    for other in others:
        arguments = [str(ROOT / argument) if argument.startswith("docs/") else argument for argument in other.arguments]
        code, output, _ = command(*arguments, "--json")
        data = json.loads(output)
        told.append((code, "NoAckedRecordLost" in {violation["rule"] for violation in data["violations"]},
                     {excuse["reason"] for excuse in data["excused"]}))
    assert told == [
        (0, False, set()), (1, True, set()), (0, False, {"last-replica-standing"}), (1, True, set())]


def test_a_configuration_as_the_how_to_gives_it(tmp_path: Path, command: Command) -> None:
    properties = tmp_path / "server.properties"
    properties.write_text(SAMPLE_PROPERTIES)
    (example,) = examples(ROOT / "docs" / "how-to" / "own-configuration.md")
    arguments = [str(properties) if argument.startswith("/etc/") else argument for argument in example.arguments]
    code, output, _ = command(*arguments, "--seeds", 1, "--jobs", 1, "--duration", "5s")
    assert code == 0
    assert "num.network.threads" in output


def test_a_history_as_the_how_to_writes_it(tmp_path: Path, command: Command) -> None:
    page = ROOT / "docs" / "how-to" / "check-your-own-history.md"
    (tmp_path / "history.jsonl").write_text(page.read_text().split("```json\n")[1].split("```")[0])
    converted, shown, listed, initial, *others = examples(page)
    assert command(*converted.arguments)[0] == 0
    code, output, _ = command(*shown.arguments)
    assert code == 1
    assert shown.shown in words(output)
    assert command(*listed.arguments)[0] == 0
    assert command(*initial.arguments)[0] == 1
    assert [command(*example.arguments)[0] for example in others] == [0, 1, 0]
    assert doctest.testfile(str(page), module_relative=False).failed == 0


def test_the_readmes_histories(tmp_path: Path, command: Command) -> None:
    (tmp_path / "history.edn").write_text(
        "{:process 0, :type :invoke, :f :cas, :value [0 1]}\n{:process 0, :type :ok, :f :cas, :value [0 1]}\n")
    found = [example for example in examples(ROOT / "README.md") if example.arguments[0] == "check"]
    assert [command(*example.arguments)[0] for example in found] == [0, 0]


def test_every_rule_that_must_catch_a_bug_is_described() -> None:
    described = set(re.findall(r"\w+", (ROOT / "docs" / "reference" / "rules.md").read_text()))
    missing = {(bug.bug_id, rule) for bug in all_bugs().values() for rule in (*bug.rules, *bug.also)
               if rule not in described}
    assert missing == set()
