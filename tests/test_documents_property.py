"""The property tests of the documents, pasted into an empty folder and run there with the plugin installed."""

import re
import shutil
from pathlib import Path

import pytest
from documents import ROOT, python_files, words
from plugged_pytest import run_pytest

HOW_TO = ROOT / "docs" / "how-to"


@pytest.fixture(autouse=True)
def always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis draws the same here whenever it is asked, and no machine is too slow for it."""
    monkeypatch.setenv("CI", "true")


def paste(folder: Path, source: str) -> tuple[int, str]:
    """Run the source as a test file; its exit code and output."""
    done = run_pytest(folder, source, "--hypothesis-seed=0")
    return done.returncode, done.stdout


def without_figures(text: str) -> str:
    """The text without what differs when Hypothesis draws something else."""
    return re.sub(r"[\d.]*\d", "#", text)


def test_the_readmes_property_test_passes_as_it_is(tmp_path: Path) -> None:
    (source,) = python_files(ROOT / "README.md")
    assert len(source.splitlines()) <= 20
    code, output = paste(tmp_path, source)
    assert (code, "1 passed" in output) == (0, True), output


def test_the_readmes_property_test_fails_with_the_bug(tmp_path: Path) -> None:
    (source,) = python_files(ROOT / "README.md")
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"With `(bug=\"[\w-]+\")` beside `(brokers=3)` it fails", page)
    assert found is not None
    code, output = paste(tmp_path, source.replace(found[2], f"{found[2]}, {found[1]}"))
    assert (code, "1 failed" in output) == (1, True), output
    assert "ClusterFailure: INVALID  NoFencedBrokerInIsr" in output
    assert len(re.findall(r"^E +fault    ", output, re.MULTILINE)) <= 2
    assert "workload=[])" in output
    replay = re.search(r"fencepost replay (\S+)", output)
    assert replay is not None
    shown = page[found.end():].partition("    ClusterFailure")[2].partition("\n\n")[0]
    told = without_figures(output)
    for line in f"ClusterFailure{shown}".splitlines():
        assert without_figures(line.partition("...")[0]).strip() in told
    assert replay[0] in shown
    assert (tmp_path / replay[1] / "spec.json").is_file()


@pytest.mark.parametrize("number", range(3))
def test_the_how_to_about_property_tests(tmp_path: Path, number: int) -> None:
    blocks = python_files(HOW_TO / "property-tests.md")
    assert len(blocks) == 3
    code, output = paste(tmp_path, blocks[number])
    assert (code, " passed" in output) == (0, True), output


def test_the_counter_of_the_how_to_loses_an_update(tmp_path: Path) -> None:
    counter, _ = python_files(HOW_TO / "own-system.md")
    assert len(counter.splitlines()) <= 20
    code, output = paste(tmp_path, counter)
    assert (code, "1 failed" in output) == (1, True), output
    shown = re.search(r"^interleaving = (Interleaving\(.*turns=.*\))$", output, re.MULTILINE)
    assert shown is not None
    assert shown[1].count("Call(") == 3
    assert "but the counter is at" in output


def test_the_counter_of_the_how_to_can_be_mended_as_it_says(tmp_path: Path) -> None:
    counter, _ = python_files(HOW_TO / "own-system.md")
    mend = "self.value += argument"
    assert f"`{mend}` mends it" in words((HOW_TO / "own-system.md").read_text(encoding="utf-8"))
    code, output = paste(tmp_path, counter.replace("self.value = seen + argument", mend))
    assert (code, "1 passed" in output) == (0, True), output


def test_the_process_of_the_how_to(tmp_path: Path) -> None:
    for name in ("store.py", "server.py"):
        shutil.copy(ROOT / "examples" / "replicated_store" / name, tmp_path / name)
    _, process = python_files(HOW_TO / "own-system.md")
    code, output = paste(tmp_path, process)
    assert (code, "1 passed" in output) == (0, True), output
