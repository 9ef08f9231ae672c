"""All known bugs, from the files of their areas."""

import difflib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module

from fencepost.histories.errors import InputError
from fencepost.model.bugs.registry import KnownBug
from fencepost.model.composition import Composer

#: The modules beside this one that export `BUGS`.
AREAS = ("raft", "controller", "zk_controller", "replication", "groups", "zookeeper", "zk_broker", "zk_client")


@cache
def all_bugs() -> dict[str, KnownBug]:
    """Every known bug by its id, sorted by id."""
    bugs = [bug for area in AREAS for bug in import_module(f"fencepost.model.bugs.{area}").BUGS]
    return {bug.bug_id: bug for bug in sorted(bugs, key=lambda bug: str(bug.bug_id))}


def find_bug(bug_id: str, mode: str) -> KnownBug:
    """The bug of that id. Raises InputError when there is none, or when it is one of another mode."""
    bugs = all_bugs()
    bug = bugs.get(bug_id)
    if bug is None:
        nearest = difflib.get_close_matches(bug_id.upper(), bugs, n=1, cutoff=0.0)
        raise InputError(f"--bug {bug_id}: no such known bug; the nearest is {nearest[0]} (`fencepost bugs` lists all)")
    if bug.mode not in (mode, "any"):
        raise InputError(f"--bug {bug_id}: a bug of mode {bug.mode}, not of {mode}")
    return bug


def consumer_config_with(bug_ids: Sequence[str], mode: str, given: Mapping[str, str]) -> dict[str, str]:
    """The old consumer's properties: what the user gave, and the settings that these bugs are. Raises InputError when
    a bug is unknown or they contradict each other."""
    config = dict(given)
    for bug_id in dict.fromkeys(bug_ids):
        for name, value in find_bug(bug_id, mode).consumer_config:
            if config.setdefault(name, value).lower() != value:
                raise InputError(f"--bug {bug_id}: allowed is only {name}={value}, not {config[name]}")
    return config


def composer_with(bug_ids: Sequence[str], mode: str) -> Composer:
    """The composer that switches these bugs on. Raises InputError when one is unknown or two break the same method."""
    patches = [patch for bug_id in dict.fromkeys(bug_ids) for patch in find_bug(bug_id, mode).patches]
    try:
        composer = Composer(patches)
        for base in {base: None for patch in patches for base in patch.__mro__[1:] if base is not object}:
            composer(base)
    except ValueError as error:
        raise InputError(f"--bug {' --bug '.join(bug_ids)}: cannot be switched on together: {error}") from None
    return composer
