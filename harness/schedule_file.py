"""Schedules as people write them: the form of `spec.json`, with durations in words and targets in a few of them.

Besides the form of `spec.json` a schedule file may have

- times with a unit under a name without one: `"at": "3s"` for `"at_us": 3000000`, and likewise `duration`, `delay`,
  `latency`, `period`, `offset` (`"-2s"` for back), and in `at_point` `from` and `delay`;
- targets as text: `"active-controller"`, `"leader orders-0"`, `"node 2"`, `"struck first"`, each with `" but NAME"` if
  the node that the fault of that name struck is not meant;
- an object with the list as `faults`, and whatever else is to be said about it beside that.
"""

from typing import Any

from fencepost.harness.words import read_duration
from fencepost.histories.errors import InputError
from fencepost.nemesis.fields import FIELDS
from fencepost.nemesis.targets import ROLE_NEEDS

#: Times of a fault and of a trigger by their names without a unit.
_TIMES = {
    name.removesuffix("_us"): name for name in ("at_us", "duration_us", *FIELDS) if name.endswith("_us")}
_TRIGGER_TIMES = {"from": "from_us", "delay": "delay_us"}


def read_schedule(data: Any, where: str) -> Any:
    """The schedule in the form of `spec.json`; what is no such thing is left for whoever checks that.

    Raises InputError in one line that names the fault and the field.
    """
    faults = data["faults"] if isinstance(data, dict) and isinstance(data.get("faults"), list) else data
    if not isinstance(faults, list):
        return faults
    return [_fault(fault, f"{where}: fault {index}") for index, fault in enumerate(faults)]


def is_spec(data: Any) -> bool:
    """Whether a schedule is that of a stored run, not one that somebody wrote."""
    return isinstance(data, dict) and {"version", "seed", "faults"} <= data.keys()


def _fault(data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        return data
    fault = _times(data, _TIMES, where)
    if isinstance(fault.get("at_point"), dict):
        fault["at_point"] = _times(fault["at_point"], _TRIGGER_TIMES, f"{where}: at_point")
    for name in ("target", "other"):
        if isinstance(fault.get(name), str):
            fault[name] = _target(fault[name], f"{where}: {name}")
    return fault


def _times(data: dict[str, Any], names: dict[str, str], where: str) -> dict[str, Any]:
    """The object with its durations in microseconds."""
    read: dict[str, Any] = {}
    for name, value in data.items():
        stored = names.get(name)
        if stored is None:
            read[name] = value
            continue
        if stored in data:
            raise InputError(f"{where}: {name} and {stored} say the same; one of them is enough")
        if not isinstance(value, str):
            raise InputError(f"{where}: {name} is a text such as \"3s\" or \"20ms\", not {value!r:.60}")
        try:
            if value[-1:].isdigit():
                raise InputError(f"{value!r} has no unit; allowed is a number with one, such as {value}s or {value}ms")
            read[stored] = read_duration(value.removeprefix("-")) * (-1 if value.startswith("-") else 1)
        except InputError as error:
            raise InputError(f"{where}: {name}: {error}") from None
    return read


def _target(text: str, where: str) -> dict[str, Any]:
    """ "leader orders-0 but first" -> {"role": "leader", "partition": "orders-0", "but": "first"}."""
    words, _, spared = text.partition(" but ")
    role, _, argument = words.strip().partition(" ")
    needed = ROLE_NEEDS.get(role)
    target: dict[str, Any] = {"role": role}
    if argument and needed is None:
        raise InputError(f"{where}: {text!r}: the role {role} takes nothing besides")
    if argument:
        target[str(needed)] = int(argument) if needed == "id" and argument.strip().isdecimal() else argument.strip()
    if spared:
        target["but"] = spared.strip()
    return target
