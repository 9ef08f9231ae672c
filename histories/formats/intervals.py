"""Operations with their intervals, as Porcupine's API has them, in JSON.

One object an operation: `call` and `return` (whole numbers of any unit; no `return`, or null: it never returned),
`input` with `f` (or `op`), `key` and `value`, and `output`:

    {"client_id": 3, "call": 10, "return": 25, "input": {"op": "get", "key": "x"}, "output": {"value": "1"}}

Or one object an event, in order: `kind` (or `type`: `call` or `return`), `id`, and as `value` the input or the output:

    {"kind": "call", "id": 7, "client_id": 3, "value": {"op": "get", "key": "x"}}

The names are also taken as Go writes them (`ClientId`, `Call`, `Return`, `Input`, `Output`, `Kind`, `Id`, `Value`), and
an operation's input may stand beside its `call`, without an object of its own. Functions may be the numbers of
Porcupine's tests: with a key 0 is get, 1 put, 2 append; without one 0 is read, 1 write, 2 cas.

An operation without a client is one of a client of its own. `"ok": false` in an output means that it was refused
(`fail`), `"unknown": true` that nobody knows (`info`). An output that is no object is the result itself.
"""

from collections.abc import Iterator
from typing import Any

from fencepost.histories.event import FAIL, INFO, INVOKE, OK
from fencepost.histories.formats.fields import time_of
from fencepost.histories.formats.json_values import read_values
from fencepost.histories.formats.source import Lines
from fencepost.histories.operations import HistoryOp

_CALL, _RETURN = "call", "return"
#: Porcupine's EventKind is a bool in Go.
_KINDS = {"call": _CALL, "return": _RETURN, False: _CALL, True: _RETURN}
_DESCRIBING = frozenset({"f", "op", "key", "value"})
_AROUND = frozenset({"call", "return", "clientid", "output", "result"})
#: The functions by the numbers that Porcupine's own tests give them: of a map, and of a register.
_NUMBERED = (("get", "put", "append"), ("read", "write", "cas"))


def read_intervals(lines: Lines) -> Iterator[HistoryOp]:
    """The operations, each as an invocation and a completion. Raises HistoryError, in one line."""
    position = 0
    open_events: dict[Any, HistoryOp] = {}
    for number, raw in read_values(lines):
        if not isinstance(raw, dict):
            raise lines.refusal(f"an object with call and return is expected, not {raw!r:.60}", number)
        data = _small(raw)
        if data.get("type") in (_CALL, _RETURN):
            data["kind"] = data.pop("type")
        found = _event(lines, number, position, data, open_events) if "kind" in data else _interval(
            lines, number, position, data)
        yield from found
        position += len(found)


def _interval(lines: Lines, number: int, position: int, data: dict[str, Any]) -> list[HistoryOp]:
    called = time_of(lines, number, "call", data.get("call"))
    returned = time_of(lines, number, "return", data.get("return"))
    if called is None:
        raise lines.refusal("an operation without its call", number)
    client = data.get("clientid", f"operation {position // 2}")
    asked = data.get("input", {name: value for name, value in data.items() if name not in _AROUND})
    invocation = _invocation(lines, number, position, called, client, asked)
    type_, result, extra = _output(data.get("output", data.get("result")))
    if returned is None:
        type_ = INFO
    return [invocation, invocation._replace(
        index=position + 1, time=called if returned is None else returned, type=type_, value=result, extra=extra)]


def _event(
    lines: Lines, number: int, position: int, data: dict[str, Any], open_events: dict[Any, HistoryOp]
) -> list[HistoryOp]:
    kind, identity, value = data["kind"], data.get("id"), data.get("value")
    if not isinstance(kind, (str, bool)) or kind not in _KINDS or not isinstance(identity, (int, str)):
        raise lines.refusal(f"kind {kind!r:.20}, id {identity!r:.20}: allowed is call or return and a number", number)
    if _KINDS[kind] == _CALL:
        if identity in open_events:
            raise lines.refusal(f"the call {identity} is open already", number)
        client = data.get("clientid", f"operation {identity}")
        open_events[identity] = _invocation(lines, number, position, None, client, value)
        return [open_events[identity]]
    invocation = open_events.pop(identity, None)
    if invocation is None:
        raise lines.refusal(
            f"the return of {identity}, which no call opened; each completion needs an invoke before it", number)
    type_, result, extra = _output(value)
    return [invocation._replace(index=position, type=type_, value=result, extra=extra, line=number)]


def _invocation(
    lines: Lines, number: int, position: int, time: int | None, client: Any, asked: Any
) -> HistoryOp:
    fields = _small(asked) if isinstance(asked, dict) else {}
    f = fields.get("f", fields.get("op"))
    if type(f) is int and 0 <= f < len(_NUMBERED[0]):
        f = _NUMBERED["key" not in fields][f]
    if not isinstance(f, str):
        raise lines.refusal(f"the input is {asked!r:.60}; it must name the function as f or op", number)
    if not isinstance(client, (int, str)):
        raise lines.refusal(f"the client is {client!r:.40}, not a number or a name", number)
    extra = {name: value for name, value in fields.items() if name not in _DESCRIBING}
    return HistoryOp(position, time, INVOKE, client, f.lower(), fields.get("key"), fields.get("value"), None, extra,
                     number)


def _output(given: Any) -> tuple[str, Any, dict[str, Any]]:
    """An output's type, result and other fields."""
    if not isinstance(given, dict):
        return OK, given, {}
    fields = _small(given)
    extra = {name: value for name, value in fields.items() if name not in ("ok", "unknown", "value")}
    type_ = INFO if fields.get("unknown") is True else FAIL if fields.get("ok") is False else OK
    return type_, fields.get("value"), extra


def _small(data: dict[str, Any]) -> dict[str, Any]:
    """The names as they are here: `ClientId`, `client_id` and `client` are one."""
    names = {name: name.lower().replace("_", "") for name in data}
    return {"clientid" if small in ("client", "process") else small: data[name] for name, small in names.items()}
