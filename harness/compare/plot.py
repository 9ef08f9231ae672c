"""The plot of a comparison, by matplotlib (the extra `fencepost[report]`)."""

from importlib.util import find_spec
from pathlib import Path

from fencepost.harness.compare.comparison import Comparison
from fencepost.harness.compare.scene import MODES
from fencepost.harness.compare.tables import MODE_NAMES, TABLES
from fencepost.histories.errors import InputError, StoreError

SUFFIXES = (".png", ".svg")
_COLOURS = {"zk": "tab:orange", "kraft": "tab:blue"}
_INCHES_EACH = (4.8, 3.4)


def check_plot(path: Path) -> None:
    """Refuse, before anything is measured, a plot that cannot be made. Raises InputError."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"--plot {path}: allowed is a file whose name ends with {' or '.join(SUFFIXES)}")
    if not path.absolute().parent.is_dir():
        raise InputError(f"--plot {path}: the directory does not exist")
    if find_spec("matplotlib") is None:
        raise InputError("--plot: matplotlib is missing; install it with: pip install 'fencepost[report]'")


def draw(comparison: Comparison, path: Path) -> None:
    """One panel a measurement: its headline figure over the number of partitions. Raises StoreError."""
    from matplotlib.figure import Figure

    what = comparison.order.what
    columns = min(2, len(what))
    rows = -(-len(what) // columns)
    figure = Figure(figsize=(columns * _INCHES_EACH[0], rows * _INCHES_EACH[1]), layout="constrained")
    for number, name in enumerate(what, start=1):
        table, panel = TABLES[name], figure.add_subplot(rows, columns, number)
        for mode in MODES:
            seconds = [
                comparison.figures(name, mode, partitions)[table.headline] / 1_000_000
                for partitions in comparison.order.partitions]
            panel.plot(
                comparison.order.partitions, seconds, marker="o", color=_COLOURS[mode], label=MODE_NAMES[mode])
        words = next(column.words for column in table.columns if column.figure == table.headline)
        panel.set_title(f"{name}: {words}", fontsize="medium")
        panel.set_xlabel("partitions")
        panel.set_ylabel("virtual seconds")
        panel.set_ylim(bottom=0)
        panel.legend()
    try:
        figure.savefig(path)
    except OSError as error:
        raise StoreError(f"--plot {path}: cannot be written: {error.strerror or error}") from None
