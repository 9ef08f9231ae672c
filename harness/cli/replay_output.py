"""What `fencepost replay` prints: identical or the first difference, or every node at one moment."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from fencepost.harness.cli.output import console
from fencepost.harness.words import NodeNames, count, seconds
from fencepost.histories.event import Event

if TYPE_CHECKING:
    from fencepost.harness.replay import Moment, Replay

_PARTITION_FACTS = ("role", "leader_epoch", "partition_epoch", "isr", "high_watermark", "log_end_offset")



def replay_data(result: "Replay") -> dict[str, Any]:
    """A replay as plain data."""
    return {
        "verdict": "valid" if result.difference is None else "invalid", "identical": result.difference is None,
        "digest": result.digest, "stored_digest": result.stored_digest, "events": result.events,
        "violations": [], "excused": [], "difference": result.difference, "stored": result.stored,
        "replayed": result.replayed, "notes": list(result.notes),
    }


def print_replay(result: "Replay") -> None:
    """Identical, or the first difference."""
    out = console()
    for note in result.notes:
        out.print(Text(f"note     {note}", style="yellow"))
    if result.difference is None:
        out.print(f"[green]identical[/]  {count(result.events, 'event')}  digest {result.digest}")
        return
    out.print(f"[bold red]different[/]  from event {result.difference} on")
    out.print(Text(f"  stored    {result.stored if result.stored is not None else '(the history ends here)'}"))
    out.print(Text(f"  replayed  {result.replayed if result.replayed is not None else '(the history ends here)'}"))


def moment_data(moment: "Moment") -> dict[str, Any]:
    """A moment as plain data."""
    return {"time_us": moment.time_us, "why": moment.why, **moment.state}


def print_moment(moment: "Moment") -> None:
    """Every node at one moment: roles, epochs, ISRs, high watermarks, log ends."""
    out = console()
    names = NodeNames(moment.header)
    out.print(Text.assemble((f"{seconds(moment.time_us)}", "bold"), f"  {moment.why}"))
    rows: list[tuple[str, ...]] = []
    for node_id, node in moment.state["nodes"].items():
        name = names(int(node_id))
        process = "paused" if node.get("paused") else "running" if node.get("running") else "stopped"
        out.print(Text.assemble((f"{name:<16}", "bold"), process))
        broker = dict(node.get("broker") or {})
        partitions = broker.pop("partitions", None) or {}
        for part, state in (("quorum", node.get("raft")), ("controller", node.get("controller")), ("broker", broker)):
            if state:
                out.print(Text(f"  {part:<14}{facts(state)}"))
        rows += [
            (partition, name, *(plain(state.get(fact)) for fact in _PARTITION_FACTS))
            for partition, state in partitions.items()
        ]
    if rows:
        out.print()
        heads = ("partition", "node", *(fact.replace("_", " ") for fact in _PARTITION_FACTS))
        for line in aligned([heads, *sorted(rows)]):
            out.print(Text(line))
    out.print("\nlast events")
    for event in moment.last_events:
        out.print(Text(f"  {event_words(event, names)}"))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines with their columns under each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def event_words(event: Event, names: NodeNames) -> str:
    """An event in one line."""
    who = f"process {event.process}" if event.process is not None else "nemesis"
    if event.node is not None:
        who = names(event.node)
    facts = (event.key, event.error, event.epochs, event.value)
    about = " ".join(plain(fact) for fact in facts if fact is not None)
    return f"{event.index:>7}  {seconds(event.time_us):>12}  {who:<14} {event.type} {event.f} {about[:140]}"


def facts(state: dict[str, Any]) -> str:
    """A component's state in one line."""
    return ", ".join(f"{name.replace('_', ' ')} {plain(value)}" for name, value in state.items())


def plain(value: Any) -> str:
    """A value of a state in a few characters."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} {plain(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return f"[{', '.join(plain(item) for item in value)}]"
    text = str(value)
    return f"{text[:12]}..." if len(text) > 40 and text.isalnum() else text
