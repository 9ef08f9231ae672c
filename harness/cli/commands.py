"""The commands. Each imports what it needs when it is called, so that `--help` need not wait for it."""

import contextlib
from pathlib import Path
from typing import Any

import click

from fencepost.harness.cli.options import build_spec, path_type, read_duration_option, spec_options
from fencepost.harness.words import read_duration
from fencepost.histories.errors import EXIT_CODES, EXIT_CRASH, EXIT_INVALID, EXIT_UNKNOWN, EXIT_VALID, InputError


@click.command()
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Everything random is drawn from it.")
@spec_options
def run(seed: int, as_json: bool, **options: Any) -> int:
    """Drive one cluster through one schedule of faults and judge what happened."""
    spec, not_modelled = build_spec(seed, options)
    from fencepost.harness import run as runs
    from fencepost.harness.campaign import check_store
    from fencepost.harness.cli import output

    check_store(options["store"])
    result = runs.run(spec)
    runs.store_run(result, options["store"], not_modelled)
    data = runs.report(result, not_modelled)
    data["run_directory"] = str(result.run_directory)
    data["replay"] = output.replay_line(str(result.run_directory))
    output.print_json(data) if as_json else output.print_run(result, data)
    return EXIT_CRASH if result.crash is not None and data["verdict"] != "invalid" else EXIT_CODES[data["verdict"]]


@click.command()
@click.option("--seeds", type=click.IntRange(min=1), default=60, show_default=True, help="How many seeds.")
@click.option("--first", type=click.IntRange(min=0), default=0, show_default=True, help="The first seed.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many processes.  [default: one a processor]")
@click.option("--until-failure", is_flag=True,
              help="End at the first failing seed; with --bug, at the first that breaks a rule which must catch it.")
@click.option("--guide", type=click.Choice(["coverage"]),
              help="Let schedules near to those that reached rare states of the protocol strike beside the drawn.")
@click.option("--keep", type=click.Choice(["failures", "all"]), default="failures", show_default=True,
              help="Which runs' directories are kept.")
@click.option("--shrink/--no-shrink", "shrinks", default=True, show_default=True,
              help="Shrink the first failure of each rule; of a hunt, the one that was hunted.")
@click.option("--budget", callback=read_duration_option, default="1m", show_default=True,
              help="Wall-clock time to shrink one failure.")
@spec_options
def campaign(
    seeds: int, first: int, jobs: int | None, until_failure: bool, guide: str | None, keep: str, shrinks: bool,
    budget: int, as_json: bool, **options: Any
) -> int:
    """Run many seeds in parallel; failures are grouped by the rule that was broken."""
    spec, not_modelled = build_spec(first, options)
    if guide is not None and spec.faults is not None:
        raise InputError(f"--guide {guide}: allowed only without --schedule, for a guide writes schedules of its own")
    from fencepost.harness import campaign as campaigns
    from fencepost.harness.cli import campaign_output, shrink_output
    from fencepost.harness.shrinking import shrink_failures
    from fencepost.model.bugs.catalogue import all_bugs

    sought = tuple(dict.fromkeys(rule for bug in spec.bugs for rule in all_bugs()[bug].rules))
    order = campaigns.Order(
        spec, first, seeds, jobs or campaigns.available_cpus(), options["store"], until_failure, keep,
        tuple(not_modelled), sought, guide is not None)
    with campaign_output.progress(order, as_json) as show:
        done = campaigns.run_campaign(order, show)
    campaigns.raise_if_nothing(done)
    if not as_json:
        campaign_output.print_campaign(done)
    shrunk = {}
    if shrinks and not done.interrupted:
        with shrink_output.progress() as show_shrinking:
            shrunk = shrink_failures(done, budget / 1_000_000, show_shrinking, order.jobs)
    if as_json:
        campaign_output.print_json(done, shrunk)
    else:
        for one in shrunk.values():
            click.echo()
            shrink_output.print_shrunk(one)
    return EXIT_CODES[done.verdict]


@click.command()
@click.argument("run_dir", type=path_type())
@click.option("--at", metavar="TIME|violation", help="Show every node at that moment (such as 12.5s) instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def replay(run_dir: Path, at: str | None, as_json: bool) -> int:
    """Run a stored run again and compare it event by event."""
    from fencepost.harness import replay as replays
    from fencepost.harness.cli import output, replay_output

    if at is not None:
        moment = replays.moment(run_dir, at, None if at == "violation" else read_duration(at))
        output.print_json(replay_output.moment_data(moment)) if as_json else replay_output.print_moment(moment)
        return EXIT_VALID
    result = replays.replay(run_dir)
    output.print_json(replay_output.replay_data(result)) if as_json else replay_output.print_replay(result)
    return EXIT_VALID if result.difference is None else EXIT_INVALID


@click.command()
@click.argument("run_dir", type=path_type())
@click.option("--rule", help="The broken rule to keep broken.  [default: the one that was broken first]")
@click.option("--budget", callback=read_duration_option, default="2m", show_default=True,
              help="Wall-clock time; then the smallest run so far is it.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many processes.  [default: one a processor]")
@click.option("--store", type=path_type(), help="Where the result is kept.  [default: beside the run]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def shrink(
    run_dir: Path, rule: str | None, budget: int, jobs: int | None, store: Path | None, as_json: bool
) -> int:
    """Find the smallest run that still breaks the rule: fewer faults, operations, nodes, less time."""
    from fencepost.harness.campaign import available_cpus, check_store
    from fencepost.harness.cli import output, shrink_output
    from fencepost.harness.shrinking import shrink_run

    store = store or run_dir.resolve().parent
    check_store(store)
    with shrink_output.progress() as show:
        shrunk = shrink_run(run_dir, store, rule, budget / 1_000_000, show, jobs or available_cpus())
    output.print_json(shrunk.to_data()) if as_json else shrink_output.print_shrunk(shrunk)
    return EXIT_VALID


@click.group(invoke_without_command=True)
@click.option("--mode", help="Only the bugs of this mode.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of text.")
@click.pass_context
def bugs(context: click.Context, mode: str | None, as_json: bool) -> int:
    """List the known bugs that --bug can switch on; or `hunt` them."""
    if context.invoked_subcommand is not None:
        if mode is not None or as_json:
            raise InputError(f"{'--json' if as_json else '--mode'}: allowed is after {context.invoked_subcommand}")
        return EXIT_VALID
    from fencepost.harness.cli import output
    from fencepost.model.bugs.catalogue import all_bugs

    known = [bug for bug in all_bugs().values() if mode in (None, bug.mode)]
    if not known:
        raise InputError(f"--mode {mode}: no known bug is of that mode")
    output.print_bugs(known, as_json)
    return EXIT_VALID


@bugs.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--mode", type=click.Choice(["kraft", "zk"]),
              help="Only the bugs of this mode; those of any mode are hunted in it (without --mode: in kraft).")
@click.option("--budget", callback=read_duration_option, default="5m", show_default=True,
              help="Wall-clock time for each bug, to find it and to shrink what was found.")
@click.option("--guide", type=click.Choice(["coverage"]), help="As of `campaign`.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many processes.  [default: one a processor]")
@click.option("--store", type=path_type(), default="store", show_default=True, help="Where runs are kept.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def hunt(
    ids: tuple[str, ...], mode: str | None, budget: int, guide: str | None, jobs: int | None, store: Path,
    as_json: bool,
) -> int:
    """Run the default campaign against each bug until it is found, and shrink what was found."""
    from fencepost.harness.campaign import available_cpus, check_store
    from fencepost.harness.cli import hunt_output
    from fencepost.harness.hunt import Hunted
    from fencepost.harness.hunt import hunt as hunts
    from fencepost.model.bugs.catalogue import all_bugs, find_bug

    known = all_bugs()
    hunted = [find_bug(bug_id, known[bug_id].mode if bug_id in known else "kraft") for bug_id in ids or known]
    hunted = [bug for bug in hunted if bug.mode == "any" or bug.mode in ((mode,) if mode else ("kraft", "zk"))]
    if not hunted:
        raise InputError(f"--mode {mode}: none of these bugs is of that mode")
    check_store(store)
    done: list[Hunted] = []
    with contextlib.suppress(KeyboardInterrupt), hunt_output.progress() as show:
        for one in hunts(hunted, jobs or available_cpus(), store, budget / 1_000_000, show.searching, show.shrinking,
                         guided=guide is not None, mode=mode or "kraft"):
            done.append(one)
    interrupted = len(done) < len(hunted) or any(one.interrupted for one in done)
    hunt_output.print_hunted(done, len(hunted), interrupted, as_json)
    return EXIT_UNKNOWN if interrupted or any(one.rule is None for one in done) else EXIT_VALID
