"""Why a violation came about, in words: the faults that struck before it and the turning points between.

The rule's own message says what happened and why that is wrong. Here the history is searched backwards from there for
what led to it: faults at the nodes concerned, what their disks lost, and who came to lead what.
"""

from collections.abc import Sequence
from typing import Any

from fencepost.harness.fault_words import disk_loss_words
from fencepost.harness.words import NodeNames, count, joined, seconds
from fencepost.histories.event import FAULT, Event
from fencepost.nemesis.kinds import KINDS

#: How many lines an explanation has at most.
MAX_FAULTS, MAX_TURNS, MAX_CUTS = 4, 4, 2
#: How many error codes that were never met are named in a line.
MAX_CODES = 8

_PROCESS_FAULTS = {
    "pause": "paused (a GC pause)", "kill": "killed", "power-loss": "without power", "shutdown": "shut down",
}
#: Done to the ensemble, in an instant.
_SESSION_FAULTS = {
    "expire-session": "the ZooKeeper session of {} was ended",
    "delete-controller": "somebody deleted /controller, the office of {},",
}
_GLOBAL_FAULTS = {
    "halves": "the Kafka nodes were split into halves",
    "majorities-ring": "every node saw its neighbours on a ring only",
}


class Explainer:
    """Explains violations of one history."""

    def __init__(self, header: dict[str, Any], events: Sequence[Event]) -> None:
        self._names = NodeNames(header)
        self._by_index = {event.index: event for event in events}
        self._faults: list[Event] = []
        self._turns: list[Event] = []
        #: (node, f) -> times: when processes started or went on.
        self._ups: dict[tuple[int, str], list[int]] = {}
        #: ZooKeeper session -> the broker that registered by it
        self._sessions: dict[int, int] = {}
        self._heal_us = events[-1].time_us if events else 0
        for event in events:
            self._sort_in(event)

    def _sort_in(self, event: Event) -> None:
        if event.type == FAULT:
            if event.f == "heal":
                self._heal_us = event.time_us
            elif event.f != "quiet-end" and event.error is None:
                self._faults.append(event)
        elif event.f in _TURNS:
            self._turns.append(event)
        elif event.f == "broker-registered" and event.node is not None:
            self._sessions[event.value["session"]] = event.node
        elif event.f in ("node-started", "node-resumed") and event.node is not None:
            self._ups.setdefault((event.node, event.f), []).append(event.time_us)

    def because(self, time_us: int, node: int | None, key: str | None, indexes: Sequence[int]) -> list[str]:
        """Lines of words, in the order of time; none when nothing struck before.

        time_us: when the rule was broken. node, key: whom and what it concerns. indexes: the events that break it.
        """
        concerned = {node} | {self._by_index[index].node for index in indexes if index in self._by_index}
        concerned.discard(None)
        before = [fault for fault in self._faults if fault.time_us <= time_us]
        near = [fault for fault in before if not concerned or concerned & set(self._nodes(fault)) or _is_global(fault)
                or _is_about(fault, key)]
        chosen = (near or before)[-MAX_FAULTS:]
        lines = [(fault.time_us, fault.index, self._fault_words(fault)) for fault in chosen]
        turns = [turn for turn in self._turns if turn.time_us <= time_us and self._concerns(turn, concerned, key)]
        cuts = [turn for turn in turns if turn.f == "log-truncate"]
        others = [turn for turn in turns if turn.f != "log-truncate"]
        lines += [(turn.time_us, turn.index, self._turn_words(turn)) for turn in others[-MAX_TURNS:] + cuts[-MAX_CUTS:]]
        return [words for _, _, words in sorted(lines)]

    def _concerns(self, turn: Event, concerned: set[int | None], key: str | None) -> bool:
        about = str(turn.key).partition("/")[0]
        if turn.f == "controller-claimed":
            return key is None or turn.node in concerned
        if turn.f == "zk-session-expired":
            return key is None and self._sessions.get(turn.value["session"]) in concerned
        if key is None:
            return turn.f == "disk-lost" and turn.node in concerned and about in _QUORUM_FILES
        if _is_partition(key):
            return about == key and (turn.f != "disk-lost" or turn.node in concerned)
        # A group: what happened to its coordinators and to their log.
        return turn.node in concerned and about.startswith("__consumer_offsets-")

    @staticmethod
    def _nodes(fault: Event) -> list[int]:
        nodes = fault.value.get("nodes", []) if isinstance(fault.value, dict) else []
        return [*nodes, *([fault.node] if fault.node is not None else [])]

    def _fault_words(self, fault: Event) -> str:
        value = fault.value if isinstance(fault.value, dict) else {}
        nodes = list(dict.fromkeys(self._nodes(fault)))
        end_us = min(fault.time_us + int(value.get("duration_us", 0)), self._heal_us)
        span = f"from {seconds(fault.time_us)} " + ("on" if value.get("remains") else f"to {seconds(end_us)}")
        if fault.f in _PROCESS_FAULTS and nodes:
            back = "node-resumed" if fault.f == "pause" else "node-started"
            ups = [time_us for time_us in self._ups.get((nodes[0], back), ()) if time_us > fault.time_us]
            span = f"from {seconds(fault.time_us)} to {seconds(ups[0])}" if ups else f"from {seconds(fault.time_us)} on"
            return f"{self._names(nodes[0])} was {_PROCESS_FAULTS[fault.f]} {span}"
        if _is_global(fault):
            return f"{_GLOBAL_FAULTS[fault.f]} {span}"
        if fault.f in _SESSION_FAULTS:
            return f"{_SESSION_FAULTS[fault.f].format(self._names.all(nodes))} at {seconds(fault.time_us)}"
        if fault.f == "slow-controller":
            delay = f"{value['delay_us'] / 1_000:g} ms longer for each event"
            return f"the controller of {self._names.all(nodes)} took {delay} {span}"
        kind = KINDS.get(fault.f)
        if kind is not None and kind.told is not None:
            when = span if kind.lasts else f"at {seconds(fault.time_us)}"
            return f"{kind.told.format_map(self._told(nodes, value))} {when}"
        words = self._cut_words(fault.f, nodes, value.get("links") or [])
        if fault.f == "slow":
            words += f" took {value['latency_us'] / 1_000:g} ms longer"
        return f"{words} {span}"

    def _told(self, nodes: list[int], value: dict[str, Any]) -> dict[str, str]:
        """What the placeholders of a kind's own words stand for."""
        others = dict.fromkeys(end for link in value.get("links") or [] for end in link if end not in nodes)
        told = {"struck": self._names.all(nodes), "others": self._names.all(sorted(others))}
        for name, given in value.items():
            if name.endswith("_us"):
                told[name] = f"{given / 1_000:g} ms"
            elif name.endswith("_ppm"):
                told[name] = f"{given / 10_000:+g} %"
            elif name.endswith("_per_mille"):
                told[name] = f"{given / 10:g} %"
            else:
                told.setdefault(name, str(given))
        return told

    def _cut_words(self, kind: str, nodes: list[int], links: list[list[int]]) -> str:
        struck = self._names.all(nodes)
        if kind == "bridge":
            return f"the Kafka nodes were split into halves that only {struck} talked to"
        if kind == "isolate":
            return f"{struck} was cut off from everyone"
        if kind == "one-way":
            inward = any(destination in nodes for _, destination in links)
            return f"nothing reached {struck}" if inward else f"nothing that {struck} sent arrived"
        others = sorted({end for link in links for end in link} - set(nodes))
        if kind == "slow":
            ways = [source in nodes for source, _ in links]
            between = "between {} and {}" if len(set(ways)) > 1 else "from {} to {}" if ways[0] else "from {1} to {0}"
            return f"everything {between.format(struck, self._names.all(others))}"
        if kind in ("link", "cut-roles") and others:
            return f"{struck} was cut off from {self._names.all(others)}"
        return f"{kind} struck {struck}"

    def _turn_words(self, turn: Event) -> str:
        epochs = turn.epochs or {}
        value = turn.value if isinstance(turn.value, dict) else {}
        who = self._names(turn.node) if turn.node is not None else "a node"
        when = f"at {seconds(turn.time_us)}"
        if turn.f == "controller-claimed":
            return f"{who} became the active controller in epoch {epochs.get('controller_epoch')} {when}"
        if turn.f == "zk-session-expired":
            return f"the ZooKeeper session of {self._names(self._sessions[value['session']])} ran out {when}"
        if turn.f == "leader-start":
            return (f"{who} became the leader of {turn.key} in leader epoch {epochs.get('leader_epoch')} {when}, "
                    f"with the ISR {value.get('isr')}, from offset {value.get('epoch_start_offset', '?')}")
        if turn.f == "log-truncate":
            return f"{who} cut its log of {turn.key} from {value['old_end_offset']} to {value['end_offset']} {when}"
        if turn.f == "coordinator-loaded":
            return f"{who} became the coordinator of {turn.key} in epoch {epochs.get('coordinator_epoch')} {when}"
        return disk_loss_words(value, who, str(turn.key).partition("/")[0], when)


_TURNS = ("controller-claimed", "zk-session-expired", "leader-start", "log-truncate", "coordinator-loaded", "disk-lost")
_ORDERS = ("LeaderAndIsr", "UpdateMetadata", "StopReplica")
_QUORUM_FILES = ("__cluster_metadata-0", "quorum-state")


def _is_partition(key: str) -> bool:
    return key.rpartition("-")[2].isdecimal()


def _is_about(fault: Event, key: str | None) -> bool:
    """Whether operators asked for something that concerns this topic-partition."""
    value = fault.value if isinstance(fault.value, dict) else {}
    return key is not None and (value.get("partition") == key or value.get("topic") == key.rpartition("-")[0])


def _is_global(fault: Event) -> bool:
    return fault.f in ("halves", "majorities-ring")


def fenced_orders(header: dict[str, Any], events: Sequence[Event]) -> list[str]:
    """Which orders of ZooKeeper mode's controllers were refused for their epochs, in words."""
    names = NodeNames(header)
    lines = []
    for event in events:
        if event.f == "request-fenced" and event.node is not None and event.value["request"] in _ORDERS:
            epochs = event.epochs or {}
            epoch = "broker_epoch" if event.error == "STALE_BROKER_EPOCH" else "controller_epoch"
            lines.append(
                f"{names(event.node)} refused {names(event.value['from'])}'s {event.value['request']} under "
                f"{epoch.replace('_', ' ')} {epochs.get(epoch)} at {seconds(event.time_us)} ({event.error})")
    return lines


def never_reached(
    reached: dict[str, Any], known_faults: Sequence[str], known_errors: Sequence[str], known_branches: Sequence[str]
) -> dict[str, list[str]]:
    """The kinds of fault that never struck, the branches that were never taken, the error codes that were never met."""
    return {
        "faults": [name for name in known_faults if name not in reached["faults"]],
        "branches": [name for name in known_branches if name not in reached["observations"]],
        "errors": [name for name in known_errors if name not in reached["errors"]]}


def coverage_words(
    reached: dict[str, Any], known_faults: Sequence[str], known_errors: Sequence[str], known_branches: Sequence[str]
) -> list[str]:
    """The lines about what a campaign reached, and what it never did."""
    missing, untaken, unmet = never_reached(reached, known_faults, known_errors, known_branches).values()
    faults = [name for name in reached["faults"] if name in known_faults]
    line = (f"{len(faults)} of {len(known_faults)} fault kinds, "
            f"{count(reached['controller_fail_overs'], 'controller fail-over')}, "
            f"{count(reached['leader_changes'], 'leader change')}, {count(reached['isr_changes'], 'ISR change')}, "
            f"{len(known_branches) - len(untaken)} of {len(known_branches)} branches of the protocol, "
            f"{len(known_errors) - len(unmet)} of {len(known_errors)} error codes")
    lines = [line]
    if missing:
        lines.append(f"never struck: {joined(missing)}")
    if untaken:
        lines.append(f"never taken: {joined(untaken)}")
    if unmet:
        more = f" and {len(unmet) - MAX_CODES} more (--json has all)" if len(unmet) > MAX_CODES else ""
        lines.append(f"never met: {', '.join(unmet[:MAX_CODES])}{more}")
    return lines
