"""`fencepost compare`: what ZooKeeper and KRaft cost on the same cluster."""

from pathlib import Path

import click

from fencepost.harness.cli.options import path_type
from fencepost.histories.errors import EXIT_VALID

#: The names in the order in which they are told; `fencepost.harness.compare.measurements` says what they are.
WHAT = ("failover", "topic-create", "broker-crash", "controlled-shutdown")
MOST_PARTITIONS = 1_000_000


def _partitions(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """Numbers with commas between, ascending, each once."""
    counts = []
    for text in value.split(","):
        number = text.strip()
        if not (number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= MOST_PARTITIONS and len(number) < 9):
            raise click.BadParameter(
                f"{text!r}: allowed are whole numbers from 1 to {MOST_PARTITIONS}, such as 10,100,1000")
        counts.append(int(number))
    return tuple(sorted(set(counts)))


def _what(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    """Names of measurements with commas between."""
    names = [text.strip() for text in value.split(",")]
    for name in names:
        if name not in WHAT:
            raise click.BadParameter(f"{name!r}: allowed are {', '.join(WHAT)}")
    return tuple(name for name in WHAT if name in names)


@click.command()
@click.option("--partitions", callback=_partitions, default="10,100,1000,10000", show_default=True,
              help="How many partitions the cluster has, one after the other.")
@click.option("--what", callback=_what, default=",".join(WHAT), show_default=True, help="What is measured.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the cluster's random draws.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many processes.  [default: one a processor]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.option("--plot", type=path_type(), help="Draw the figures into a .png or .svg file.")
def compare(
    partitions: tuple[int, ...], what: tuple[str, ...], seed: int, jobs: int | None, as_json: bool, plot: Path | None,
) -> int:
    """Measure what ZooKeeper and KRaft cost: the same cluster in both modes, in virtual time."""
    from fencepost.harness.campaign import available_cpus
    from fencepost.harness.cli import compare_output
    from fencepost.harness.compare import comparison as comparisons
    from fencepost.harness.compare import plot as plots

    if plot is not None:
        plots.check_plot(plot)
    order = comparisons.Order(partitions, what, seed, jobs or available_cpus())
    with compare_output.progress(order) as show:
        done = comparisons.compare(order, show)
    if plot is not None:
        plots.draw(done, plot)
    compare_output.print_json(done) if as_json else compare_output.print_comparison(done, plot)
    return EXIT_VALID
