"""`fencepost soak`: seeds that nobody has seen before, over many sittings."""

import contextlib
from pathlib import Path

import click

from fencepost.harness.cli.options import path_type
from fencepost.histories.errors import EXIT_CODES, EXIT_UNKNOWN


@click.command()
@click.option("--mode", type=click.Choice(["kraft", "zk"]), default="kraft", show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=2000, show_default=True, help="How many more.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many processes.  [default: one a processor]")
@click.option("--ledger", type=path_type(), default="store/soak.jsonl", show_default=True,
              help="What was run so far; a later sitting goes on from there.")
@click.option("--store", type=path_type(), default="store", show_default=True, help="Where failing runs are kept.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def soak(mode: str, seeds: int, jobs: int | None, ledger: Path, store: Path, as_json: bool) -> int:
    """Run seeds that were never run before and note them in a ledger."""
    from dataclasses import asdict

    from fencepost.harness import soak as soaks
    from fencepost.harness.campaign import Order, available_cpus, check_store
    from fencepost.harness.cli import campaign_output, output
    from fencepost.harness.spec import RunSpec

    check_store(store)
    jobs = jobs or available_cpus()
    known = soaks.read_ledger(ledger)
    if known.torn is not None:
        click.echo(f"fencepost: {known.torn}: not written to its end: left out, and its seeds are run again", err=True)
    whole = Order(RunSpec(seed=0, mode=mode), soaks.next_seed(known, mode), seeds, jobs, store)
    verdicts, done, unnoted = [], 0, None
    with contextlib.suppress(KeyboardInterrupt), campaign_output.progress(whole, as_json) as show:
        for campaign, stretch in soaks.soak(ledger, mode, seeds, jobs, store, show):
            verdicts.append(campaign.verdict)
            if campaign.interrupted:
                unnoted = stretch
            else:
                done += stretch.seeds
            if campaign.verdict != "valid" and not as_json:
                campaign_output.print_campaign(campaign)
    sums = soaks.totals(soaks.read_ledger(ledger).stretches)
    if as_json:
        output.print_json({
            "mode": mode, "first": whole.first, "done": done,
            "interrupted": None if unnoted is None else asdict(unnoted),
            "ledger": [
                {"mode": of, "commit": commit, **total.verdicts, "excused": total.excused, "unnoted": total.unnoted}
                for (of, commit), total in sums.items()]})
    else:
        output.print_ledger(sums)
        if done < seeds:
            click.echo(f"interrupted: {done} of {seeds} seeds are in the ledger; a later sitting goes on from there")
    worst = next((verdict for verdict in ("invalid", "unknown") if verdict in verdicts), "valid")
    return EXIT_UNKNOWN if done < seeds and worst == "valid" else EXIT_CODES[worst]
