"""The command line: bad input is one line and exit code 254, the store's troubles one line and 255, help is quick."""

import json
import subprocess
import sys

import pytest
from command_line import in_process

from fencepost.harness.cli import entry
from fencepost.histories.errors import StoreError

COMMANDS = ("run", "campaign", "replay", "shrink", "check", "convert", "compare", "bugs", "soak")


@pytest.fixture
def fencepost(monkeypatch, capsys, tmp_path):
    """Runs a command in an empty directory: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    return in_process(monkeypatch, capsys)


def test_help(fencepost):
    code, out, _ = fencepost("--help")
    assert code == 0
    for command in COMMANDS:
        assert f"  {command} " in out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_commands(fencepost, command):
    code, out, _ = fencepost(command, "--help")
    assert code == 0
    assert out.startswith(f"Usage: fencepost {command}")


def test_help_imports_nothing_heavy():
    code = ("import sys, fencepost.harness.cli\n"
            "print([name for name in sys.modules if name.startswith(('fencepost.model', 'fencepost.checkers', 'rich', "
            "'hypothesis', 'networkx', 'multiprocessing', 'asyncio'))])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(("arguments", "words"), [
    (["run"], "Missing option '--seed'"),
    (["run", "--seed", "x"], "'x' is not a valid integer"),
    (["run", "--seed", "-1"], "-1 is not in the range"),
    (["run", "--seed", "1", "--mode", "paxos"], "'paxos' is not one of 'kraft', 'zk'"),
    (["run", "--seed", "1", "--zookeepers", "3"], "--zookeepers: allowed only with --mode zk"),
    (["run", "--seed", "1", "--mode", "zk", "--controllers", "3"], "--controllers: allowed only with --mode kraft"),
    (["run", "--seed", "1", "--mode", "zk", "--combined"], "--combined: allowed only with --mode kraft"),
    (["run", "--seed", "1", "--mode", "zk", "--zookeepers", "8"], "zookeepers=8: allowed is a whole number"),
    (["run", "--seed", "1", "--mode", "zk", "--bug", "KAFKA-10661"], "a bug of mode kraft, not of zk"),
    (["run", "--seed", "1", "--duration", "soon"], "'soon' is no duration; allowed is a number with a unit"),
    (["run", "--seed", "1", "--duration", "0s"], "--duration: allowed is at least 1s"),
    (["run", "--seed", "1", "--controllers", "0"], "options: controllers=0: allowed is a whole number from 1 to 7"),
    (["run", "--seed", "1", "--controllers", "8"], "controllers=8: allowed is a whole number from 1 to 7"),
    (["run", "--seed", "1", "--brokers", "-1"], "brokers=-1: allowed is a whole number from 1 to 100"),
    (["run", "--seed", "1", "--combined", "--brokers", "2"], "brokers=2: with combined nodes allowed is at least"),
    (["run", "--seed", "1", "--topic-config", "min.insync.replicas"], "allowed is name=value"),
    (["run", "--seed", "1", "--consumer-property", "offsets.storage=zookeeper"],
     "offsets.storage=zookeeper: allowed only with ZooKeeper (--mode zk)"),
    (["run", "--seed", "1", "--mode", "zk", "--consumer-property", "offsets.storage=disk"],
     "--consumer-property: offsets.storage=disk: allowed is kafka or zookeeper"),
    (["run", "--seed", "1", "--mode", "zk", "--consumer-property", "offset.storage=kafka"],
     "Kafka knows no old consumer property of that name; the nearest is offsets.storage"),
    (["run", "--seed", "1", "--mode", "zk", "--consumer-property", "dual.commit.enabled=1"],
     "dual.commit.enabled=1: allowed is true or false"),
    (["run", "--seed", "1", "--mode", "zk", "--bug", "ZK-OFFSETS", "--consumer-property", "offsets.storage=kafka"],
     "--bug ZK-OFFSETS: allowed is only offsets.storage=zookeeper, not kafka"),
    (["run", "--seed", "1", "--mode", "zk", "--bug", "ZK-OFFSETS", "--bug", "DUAL-COMMIT"],
     "dual.commit.enabled=true: allowed only with offsets.storage=kafka"),
    (["run", "--seed", "1", "--mode", "zk", "--consumer-property", "rebalance.max.retries=9"],
     "rebalance.max.retries=9: allowed only with offsets.storage=zookeeper or dual.commit.enabled=true"),
    (["run", "--seed", "1", "--topic-config", "min.insync.replica=1"], "the nearest is min.insync.replicas"),
    (["run", "--seed", "1", "--topic-config", "min.insync.replicas=9"], "allowed for a topic is at most"),
    (["run", "--seed", "1", "--server-properties", "none"], "none: cannot be read: No such file or directory"),
    (["run", "--seed", "1", "--schedule", "none"], "none: cannot be read: No such file or directory"),
    (["run", "--sed", "1"], "No such option"),
    (["fly"], "No such command 'fly'"),
    (["replay"], "Missing argument 'RUN_DIR'"),
    (["replay", "none"], "none: no such run directory"),
    (["replay", "."], "it has no spec.json"),
    (["replay", ".", "--at", "later"], "'later' is no duration"),
    (["check", "none"], "none: no such run directory or history"),
    (["campaign", "--seeds", "0"], "0 is not in the range"),
])
def test_bad_arguments_are_one_line(fencepost, arguments, words):
    code, out, err = fencepost(*arguments)
    assert (code, out) == (254, "")
    assert err.startswith("fencepost: ")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(("content", "words"), [
    ("[", "not JSON"), ("3", "a schedule is a list of faults"),
    ('[{"kind": "pause"}]', "fault 0: needs exactly one of"),
    ('{"faults": [{"kind": "meteor"}]}', "fault 0: unknown kind 'meteor'"), ("\xff", "not JSON"),
])
def test_bad_schedules_are_one_line(fencepost, tmp_path, content, words):
    path = tmp_path / "schedule.json"
    path.write_text(content, encoding="utf-8")
    code, out, err = fencepost("run", "--seed", 1, "--schedule", path)
    assert (code, out, err.count("\n")) == (254, "", 1)
    assert words in err


@pytest.mark.parametrize(("text", "arguments", "words"), [
    ("replica.lag.tim.max.ms=1", [], "the nearest is replica.lag.time.max.ms"),
    ("process.roles=broker\nnode.id=2\ncontroller.quorum.bootstrap.servers=a:1\ncontroller.listener.names=C",
     ["--combined"], "process.roles has one role: allowed with --combined is broker,controller"),
    ("controller.quorum.voters=1@a:1", ["--controllers", "3"],
     "controller.quorum.voters has 1: allowed with --controllers 3 is as many"),
])
def test_bad_server_properties_are_one_line(fencepost, tmp_path, text, arguments, words):
    path = tmp_path / "server.properties"
    path.write_text(text)
    code, _, err = fencepost("run", "--seed", 1, "--server-properties", path, *arguments)
    assert (code, err.count("\n")) == (254, 1)
    assert words in err


def test_a_store_that_cannot_be_written_is_one_line(fencepost, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = fencepost("run", "--seed", 1, "--store", "file")
    assert (code, out) == (255, "")
    assert err == "fencepost: file: the store cannot be written: File exists; give another directory by --store\n"


def test_a_crash_is_one_line(fencepost, monkeypatch):
    def crash(**_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(entry.cli, "main", crash)
    code, _, err = fencepost("bugs")
    assert code == 255
    assert err.startswith("fencepost: crashed: KeyError: 'surprise'")
    assert err.count("\n") == 1


def test_an_error_of_the_tree_keeps_its_exit_code(fencepost, monkeypatch):
    def fail(**_: object) -> None:
        raise StoreError("no space\nleft")

    monkeypatch.setattr(entry.cli, "main", lambda **_: fail())
    assert fencepost("bugs") == (255, "", "fencepost: no space left\n")


def test_bugs_as_json(fencepost):
    code, out, _ = fencepost("bugs", "--json")
    assert code == 0
    bugs = json.loads(out)
    assert {"bug_id", "mode", "what_went_wrong", "source", "rules", "also", "consumer_config"} == bugs[0].keys()
    settings = {bug["bug_id"]: bug["consumer_config"] for bug in bugs if bug["consumer_config"]}
    assert settings == {
        "ZK-OFFSETS": {"offsets.storage": "zookeeper"}, "DUAL-COMMIT": {"dual.commit.enabled": "true"}}
    assert all(" " not in bug["bug_id"] and bug["rules"] for bug in bugs)


def test_an_unknown_bug_gets_the_nearest_known_one(fencepost):
    code, _, err = fencepost("run", "--seed", 1, "--bug", "KAFKA-7359")
    assert code == 254
    assert "no such known bug; the nearest is KAFKA-7395 (`fencepost bugs` lists all)" in err
