"""The pytest plugin, as an install gives it to others."""

import shlex
from pathlib import Path

import pytest
from command_line import in_process
from plugged_pytest import run_pytest

SCRIPTED = """\
import pytest
from fencepost.strategies import Fault

FAULTS = [Fault("kill", 1_000_000, at_us=2_000_000, target={"role": "leader", "partition": "orders-0"})]
WRITES = [
    {"at_us": 1_500_000 + place * 20_000, "client": 0, "f": "produce", "topic": "orders", "partition": 0, "count": 1,
     "acks": -1, "idempotent": False} for place in range(50)]


@pytest.mark.fencepost(mode="kraft", seeds=2BUG)
def test_scripted(cluster):
    cluster.run(FAULTS, WRITES).assert_valid()
"""
MARKED = "import pytest\n\n\n@pytest.mark.fencepost(ARGUMENTS)\ndef test_marked(cluster):\n    pass\n"


def test_a_valid_run_passes_for_each_seed(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, SCRIPTED.replace("BUG", ""), "-v")
    assert done.returncode == 0, done.stdout
    assert "test_scripted[seed0] PASSED" in done.stdout
    assert "test_scripted[seed1] PASSED" in done.stdout
    assert not (tmp_path / ".fencepost").exists()


def test_a_failure_shows_what_happened_and_how_to_see_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = SCRIPTED.replace("BUG", ", bug='KAFKA-1211'")
    done = run_pytest(tmp_path, source, "--fencepost-seed", "5", "--fencepost-store", "kept")
    assert done.returncode == 1
    assert "INVALID  LeaderCandidateCompleteness" in done.stdout
    assert "because" in done.stdout
    assert "Fault('kill', 1000000, at_us=2000000" in done.stdout
    assert "1 failed" in done.stdout
    line = next(line for line in done.stdout.splitlines() if " replay   fencepost replay " in line)
    command = line.partition("fencepost replay ")[2].partition("  ")[0]
    monkeypatch.chdir(tmp_path)
    code, output, _ = in_process(monkeypatch, capsys)("replay", *shlex.split(command))
    assert (code, "seed5" in command, output != "") == (0, True, True)


@pytest.mark.parametrize(("arguments", "said"), [
    ("broker=3", "there is no broker; it takes mode, seeds, brokers"),
    ("brokers=0", "brokers=0: allowed is a whole number from 1 to 100"),
    ("bug='KAFKA-1'", "no such known bug; the nearest is"),
    ("duration='soon'", "'soon' is no duration"),
    ("mode='raft'", "mode='raft': allowed is kraft or zk"),
    ("profile='fast'", "profile='fast': allowed is "),
    ("clients=True", "clients=True: allowed is a whole number"),
    ("properties='min.insync.replicas=2'", "allowed is a dict of Kafka's names and their values"),
    ("bug=3", "bug=3: allowed is the id of a known bug"),
    ("mode='zk', bug='KIP-996'", "@pytest.mark.fencepost: --bug KIP-996: a bug of mode kraft, not of zk"),
    ("seeds=-1", "seeds=-1: allowed is how many, or which"),
    ("3", "takes arguments by name only"),
])
def test_what_the_marker_gives_wrongly_is_told_in_one_line(tmp_path: Path, arguments: str, said: str) -> None:
    done = run_pytest(tmp_path, MARKED.replace("ARGUMENTS", arguments), "-q")
    assert done.returncode == 2
    assert said in done.stdout
    assert "Traceback" not in done.stdout


def test_a_seed_that_is_none_is_refused(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, MARKED.replace("ARGUMENTS", ""), "--fencepost-seed", "-1")
    assert (done.returncode, "allowed is a whole number from 0" in done.stderr) == (4, True)


def test_others_are_left_alone(tmp_path: Path) -> None:
    source = (
        "import sys\n\nimport pytest\n\n\n@pytest.fixture\ndef cluster():\n    return 'ours'\n\n\n"
        "def test_ours(cluster):\n    assert cluster == 'ours'\n"
        "    heavy = [name for name in sys.modules if name.startswith(('fencepost.', 'hypothesis.str', 'networkx'))]\n"
        "    assert set(heavy) <= {'fencepost.harness', 'fencepost.harness.pytest_plugin'}\n")
    done = run_pytest(tmp_path, source, "-q", "-p", "no:hypothesispytest")
    assert done.returncode == 0, done.stdout
