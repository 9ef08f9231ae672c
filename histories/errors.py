"""The one tree of errors that Fencepost raises on purpose. Each has an exit code and a message of one line.

Whatever is not in this tree and reaches the command line is a crash: exit code 255.
"""

#: What a command's exit code means (Jepsen's).
EXIT_VALID, EXIT_INVALID, EXIT_UNKNOWN, EXIT_BAD_ARGUMENTS, EXIT_CRASH = 0, 1, 2, 254, 255
EXIT_CODES = {"valid": EXIT_VALID, "invalid": EXIT_INVALID, "unknown": EXIT_UNKNOWN}


class FencepostError(Exception):
    """Anything that Fencepost refuses or fails to do; the message says what was done, why it fails and what to do."""

    exit_code = EXIT_CRASH


class InputError(FencepostError):
    """What the user gave (an argument, a file) cannot be used."""

    exit_code = EXIT_BAD_ARGUMENTS


class HistoryError(InputError):
    """A stored history cannot be read; the message names the file and the line."""


class StoreError(FencepostError):
    """The store cannot be written or read: a full disk, a missing permission."""
