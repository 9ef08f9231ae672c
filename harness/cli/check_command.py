"""`fencepost check`: a stored run judged again, or anybody's history judged by a named contract."""

import json
import time
from pathlib import Path
from typing import Any

import click

from fencepost.harness.cli.options import path_type
from fencepost.harness.words import read_duration, read_size
from fencepost.histories.errors import EXIT_CODES, EXIT_VALID, InputError


@click.command()
@click.argument("history", metavar="RUN_DIR|HISTORY|-", type=path_type(), required=False)
@click.option("--model", metavar="NAME", help="Judge the history by this contract (see --models).")
@click.option("--models", is_flag=True, help="List the contracts.")
@click.option("--format", "format_", metavar="NAME", help="The history's format.  [default: recognised]")
@click.option("--per-key/--whole", "per_key", default=None,
              help="Values are [key value], each key an object; or the object as one whole.")
@click.option("--initial", metavar="JSON", help="The object's first content, such as 0 or '{\"x\": 0}'.")
@click.option("--only", metavar="F,F", help="Keep only these functions.")
@click.option("--timeout", metavar="TIME", help="After that the verdict is unknown.  [default: 60s]")
@click.option("--memory", metavar="SIZE", help="The searches hold no more; beyond that, unknown.  [default: 2GiB]")
@click.option("--option", "options_", metavar="NAME=VALUE", multiple=True,
              help="An option of the anomalies looked for, such as consistency_models=serializable.")
@click.option("--engine", type=click.Choice(["auto", "pure", "compiled"]), help="Which search.  [default: auto]")
@click.option("--explain", is_flag=True, help="Tell the whole counterexample.")
@click.option("--no-excuses", is_flag=True, help="Of a run: losses that Kafka as configured can have are violations.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def check(history: Path | None, models: bool, no_excuses: bool, as_json: bool, **options: Any) -> int:
    """Judge a stored run again, or any history by a named contract.

    \b
    fencepost check store/kraft-7
    fencepost check jepsen/store/latest/history.edn --model cas-register --initial 0
    zcat history.jsonl.gz | fencepost check - --model kv --timeout 5m

    Without --model the history is a run of Fencepost's, and all its checkers judge it. EDN, JSON Lines, Porcupine's
    operations in JSON and Jepsen's log lines are recognised, gzipped or not.
    """
    options["format"] = options.pop("format_")
    options["option"] = options.pop("options_") or None
    if models:
        return _list(as_json)
    if history is None:
        raise click.MissingParameter(param_type="argument", param_hint="'RUN_DIR|HISTORY|-'")
    if options["model"] is not None:
        if no_excuses:
            raise InputError("--no-excuses: allowed only without --model, for a run of Fencepost's")
        return _judge(history, options, as_json)
    for name, value in options.items():
        if value is not None and not (name == "explain" and not value):
            raise InputError(f"--{name.replace('_', '-')}: allowed only with --model")
    return _recheck(history, no_excuses, as_json)


def _recheck(history: Path, no_excuses: bool, as_json: bool) -> int:
    from fencepost.harness import recheck
    from fencepost.harness.cli import output
    from fencepost.histories.formats import RUN, format_of

    found = format_of(history)
    if found not in (RUN, None):
        raise InputError(f"{history}: this is no run of Fencepost's but a history in {found}: say by --model what to "
                         "judge it by (`fencepost check --models` lists what there is)")
    data = recheck.recheck(history, excuses=False if no_excuses else None)
    output.print_json(data) if as_json else output.print_check(data)
    return EXIT_CODES[data["verdict"]]


def _judge(history: Path, options: dict[str, Any], as_json: bool) -> int:
    from fencepost.harness import judge
    from fencepost.harness.budget import WallBudget
    from fencepost.harness.cli import check_output, output

    question = judge.Question(
        history, options["model"], options["format"], options["per_key"], _initial(options["initial"]),
        tuple(f for f in (options["only"] or "").split(",") if f), options["engine"] or "auto",
        options["option"] or (), options["explain"])
    timeout_s = read_duration(options["timeout"] or "60s") / 1_000_000
    started = time.monotonic()
    with check_output.progress(timeout_s) as watch:
        data = judge.judge(question, WallBudget(timeout_s, read_size(options["memory"] or "2GiB")), watch)
    data["elapsed_s"] = round(time.monotonic() - started, 3)
    output.print_json(data) if as_json else check_output.print_judgement(data, options["explain"])
    return EXIT_CODES[data["verdict"]]


def _initial(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise InputError(f"--initial {text}: not JSON; a text needs quotation marks, as in '\"a\"'") from None


def _list(as_json: bool) -> int:
    from fencepost.harness.cli import check_output
    from fencepost.harness.judge import contracts

    check_output.print_contracts(contracts(), as_json)
    return EXIT_VALID
