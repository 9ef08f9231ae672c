"""The entry point: the commands' group, and how every error becomes one line and an exit code."""

import os
import sys
from typing import NoReturn

import click

from fencepost import __version__
from fencepost.harness.cli.check_command import check
from fencepost.harness.cli.commands import bugs, campaign, replay, run, shrink
from fencepost.harness.cli.compare_command import compare
from fencepost.harness.cli.convert_command import convert
from fencepost.harness.cli.soak_command import soak
from fencepost.histories.errors import EXIT_BAD_ARGUMENTS, EXIT_CRASH, EXIT_UNKNOWN, FencepostError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="fencepost")
def cli() -> None:
    """Put Kafka's control plane on trial: drive a cluster through faults and check what happened.

    \b
    fencepost run --mode kraft --seed 7          one run
    fencepost campaign --mode kraft --seeds 60   many, in parallel
    fencepost replay store/kraft-7               the same run again, event by event

    Exit codes: 0 valid, 1 invalid, 2 unknown, 254 bad arguments, 255 crash.
    """


for command in (run, campaign, replay, shrink, check, convert, compare, bugs, soak):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line and exit."""
    try:
        code = cli.main(prog_name="fencepost", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        _say(error.format_message())
        code = EXIT_BAD_ARGUMENTS
    except FencepostError as error:
        _say(str(error))
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted")
        code = EXIT_UNKNOWN
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_UNKNOWN
    except Exception as error:
        if os.environ.get("FENCEPOST_TRACEBACK"):
            raise
        _say(f"crashed: {type(error).__name__}: {error} (FENCEPOST_TRACEBACK=1 shows where; please report it)")
        code = EXIT_CRASH
    sys.exit(code if isinstance(code, int) else 0)


def _say(message: str) -> None:
    """One line on stderr."""
    click.echo(f"fencepost: {' '.join(message.split())}", err=True)
