"""Running the command line inside the test's own process."""

import sys
from collections.abc import Callable

import pytest

from fencepost.harness.cli import entry

#: Takes arguments; gives the exit code, stdout and stderr.
Command = Callable[..., tuple[int, str, str]]


def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The `fencepost` command."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fencepost", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            entry.main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call
