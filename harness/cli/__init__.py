"""The command line. `main` is the entry point; heavy imports wait until a command needs them."""

from fencepost.harness.cli.entry import main

__all__ = ["main"]
