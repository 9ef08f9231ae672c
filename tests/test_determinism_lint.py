"""The lint finds what would make a run depend on the process it runs in, and lets the rest pass."""

from pathlib import Path

import determinism_lint
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(("source", "words"), [
    ("import time", "import of time"),
    ("from random import random", "import of random"),
    ("import datetime as d", "import of datetime"),
    ("key = id(thing)", "call of id"),
    ("key = hash(thing)", "call of hash"),
    ("for node in {1, 2}: pass", "a loop over a set"),
    ("for node in set(nodes): pass", "a loop over a set"),
    ("for node in set(nodes) - others: pass", "a loop over a set"),
    ("alive: set[int] = x\nfor node in alive: pass", "a loop over a set"),
    ("def f(alive: frozenset[int]):\n    return [node for node in alive]", "a comprehension over a set"),
    ("class A:\n    def __init__(self):\n        self.alive = set()\n    def f(self):\n        return list(self.alive)",
     "list of a set"),
    ("alive = {1}\nfirst = next(iter(alive))", "iter of a set"),
    ("alive = {1}\nfirst = alive.pop()", "pop of a set"),
    ("alive = {'a'}\ntext = ','.join(alive)", "','.join of a set"),
    ("alive = {1}\nnodes = [*alive]", "a star on a set"),
    ("alive = {1}\nnodes = {node: 1 for node in alive.union(more)}", "a comprehension over a set"),
])
def test_findings(source, words):
    assert [finding.partition(": ")[2] for finding in determinism_lint.lint_source(source, "model/x.py")] == [words]


@pytest.mark.parametrize("source", [
    "for node in sorted({1, 2}): pass",
    "alive = {1}\nnodes = sorted(node for node in alive)",
    "alive = {1}\ntotal = sum(node for node in alive)",
    "alive = {1}\nyes = 1 in alive and len(alive) == 1 and any(node > 0 for node in alive)",
    "alive = {1}\nmore = {*alive, 2}",
    "alive = {1}\nmore = {node + 1 for node in alive}",
    "alive = [1]\nfor node in alive: pass",
    "alive = {1: 2}\nfor node in alive: pass",
    "valid = {}\nvalid.pop(1)",
    "import timeit_not_time",
])
def test_what_passes(source):
    assert determinism_lint.lint_source(source, "model/x.py") == []


def test_the_streams_may_import_random():
    assert determinism_lint.lint_source("import random", "model/kernel/randomness.py") == []


def test_the_package_is_clean():
    assert determinism_lint.lint_folders(ROOT, ["model", "nemesis", "checkers"]) == []
