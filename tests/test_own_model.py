"""The how-to about models of one's own does what it says, and a wrong hint of either kind is reported."""

import doctest
from pathlib import Path
from typing import Any

import pytest

from fencepost.checkers.linearizability import Inconsistent, Operation, linearizable
from fencepost.checkers.linearizability.models import SequentialModel

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to" / "own-model.md"


def test_the_how_to_does_what_it_says() -> None:
    result = doctest.testfile(str(HOW_TO), module_relative=False)
    assert result.attempted > 8
    assert result.failed == 0


def test_its_model_takes_ten_lines() -> None:
    text = HOW_TO.read_text(encoding="utf-8")
    model = text[text.index(">>> class Account"):text.index("An operation has")]
    assert len([line for line in model.splitlines() if line.strip(" .>")]) <= 10


class Cell(SequentialModel):
    """A cell that can be set, doubled and read; hints are given from outside."""

    name = "cell"

    def __init__(self, readonly: tuple[str, ...] = (), overwrites: tuple[str, ...] = ()) -> None:
        self._readonly = readonly
        self._overwrites = overwrites

    def init(self) -> int:
        return 1

    def step(self, state: int, operation: Operation) -> Any:
        if operation.f == "set":
            return operation.argument
        if operation.f == "double":
            return 2 * state
        if operation.crashed or operation.result == state:
            return state
        return Inconsistent(f"read {operation.result} but the cell holds {state}")

    def readonly(self, operation: Operation) -> bool:
        return operation.f in self._readonly

    def overwrites(self, operation: Operation) -> bool:
        return operation.f in self._overwrites


HISTORY = [Operation(0, 9, "double"), Operation(0, 9, "set", 3), Operation(10, 19, "double"),
           Operation(20, 29, "read", None, 6), Operation(30, 39, "double"), Operation(40, 49, "read", None, 12)]


@pytest.mark.parametrize("model", [Cell(), Cell(("read",)), Cell((), ("set",)), Cell(("read",), ("set",))])
def test_right_hints_change_no_verdict(model: Cell) -> None:
    assert linearizable(HISTORY, model).verdict == "valid"
    bad = [*HISTORY, Operation(50, 59, "read", None, 3)]
    assert linearizable(bad, model).verdict == "invalid"


@pytest.mark.parametrize(("model", "says"), [
    (Cell(("read", "double")), r"model cell calls double\(\) readonly"),
    (Cell(("read", "set")), r"model cell calls set\(3\) readonly"),
    (Cell((), ("double",)), r"model cell .*double\(\)"),
    (Cell((), ("set", "read")), r"model cell .*read\(\)"),
])
def test_a_wrong_hint_is_an_error_and_no_verdict(model: Cell, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        linearizable(HISTORY, model)
