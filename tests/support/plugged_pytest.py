"""Running pytest in a folder of its own, with the plugin as an install registers it."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_pytest(folder: Path, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Write the source as a test module into the folder and run pytest there; warnings are errors."""
    (folder / "test_pasted.py").write_text(source, encoding="utf-8")
    path = os.pathsep.join([str(ROOT / "src"), str(_installed(folder))])
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "160"}
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--strict-markers", "-W", "error", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _installed(folder: Path) -> Path:
    """A distribution with the entry points of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = project["entry-points"]["pytest11"]
    site = folder / "site"
    metadata = site / "fencepost-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fencepost\nVersion: 0\n")
    lines = [f"{name} = {module}" for name, module in points.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))
    return site
