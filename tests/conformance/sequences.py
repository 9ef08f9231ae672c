"""How many sequences are drawn, and what it takes to ask a real Kafka at all.

FENCEPOST_CONFORMANCE=500 asks for that many sequences; without it a few are drawn, the same ones every time.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from real_kafka import VERSIONS, artifacts
from release_39 import VERSION as OLDEST

_WANTED = os.environ.get("FENCEPOST_CONFORMANCE")
#: Whether this is `make conformance`.
LONG = _WANTED is not None


def drawn(few: int) -> settings:
    """Draw `few` sequences in `make test`, and as many as are asked for in `make conformance`."""
    return settings(
        max_examples=int(_WANTED or few), derandomize=not LONG, deadline=None, database=None, print_blob=False,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def jars_or_skip(version: str) -> Path:
    """The folder with that version's jars; skips the test, saying what is missing, where they cannot be had."""
    try:
        return artifacts(version)
    except RuntimeError as error:
        pytest.skip(str(error))


def newest_and_oldest() -> tuple[str, ...]:
    """The versions for what takes long: all of them in `make conformance`, else the newest and the oldest."""
    return (*VERSIONS, OLDEST) if LONG else (VERSIONS[-1], OLDEST)
