"""What an install must give: the package's names, its typing marker, one version, walls and generated pages."""

import subprocess
import sys
from pathlib import Path

import pytest

import fencepost
from fencepost.harness import reference
from fencepost.histories.event import Event

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", fencepost.__all__)
def test_public_names_are_there(name):
    assert getattr(fencepost, name).__module__.startswith("fencepost.")


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="module 'fencepost' has no attribute 'runn'"):
        fencepost.runn  # noqa: B018


def test_importing_the_package_imports_nothing_else():
    code = "import sys, fencepost; print([name for name in sys.modules if name.startswith('fencepost.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_module_runs_as_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "fencepost", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"fencepost, version {fencepost.__version__}\n"


def test_every_folder_is_linked_into_the_package():
    for folder in ("checkers", "harness", "histories", "model", "nemesis"):
        link = ROOT / "src" / "fencepost" / folder
        assert link.is_symlink()
        assert link.resolve() == ROOT / folder


def test_the_history_page_has_every_field():
    page = reference.history_format()
    for field in Event._fields:
        assert f"| `{field}` |" in page


def test_the_generated_pages_are_current():
    assert reference.stale_pages(ROOT / "docs" / "reference") == []


def test_a_stale_page_is_found(tmp_path):
    assert reference.main([str(tmp_path)]) == 0
    (tmp_path / "schedules.md").write_text("old")
    assert reference.stale_pages(tmp_path) == [tmp_path / "schedules.md"]
    assert reference.main(["--check", str(tmp_path)]) == 1


def test_links_between_documents_lead_somewhere():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in _links(page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name} links to {target}"


def _links(text: str) -> list[str]:
    parts = text.split("](")[1:]
    targets = [part.partition(")")[0].partition("#")[0] for part in parts]
    return [target for target in targets if target and "://" not in target]
