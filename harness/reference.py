"""The generated pages of `docs/reference`: what the code says about itself, so that the documentation cannot be wrong.

`python -m fencepost.harness.reference docs/reference` writes them; with `--check` it only says which are not current.
"""

import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from types import ModuleType

from fencepost import checkers
from fencepost.checkers.anomaly_models import ANOMALY_MODELS
from fencepost.checkers.linearizability import models as objects
from fencepost.checkers.verdict import Findings
from fencepost.harness import schedule_file
from fencepost.histories import formats, pairing
from fencepost.histories.history import FORMAT
from fencepost.histories.vocabulary import FAULT_EVENTS, OBSERVATIONS, OPERATIONS
from fencepost.model.bugs.catalogue import all_bugs
from fencepost.model.config import ClientConfig, KafkaConfig, OldConsumerConfig, ZooKeeperConfig
from fencepost.model.effective_config import field_text
from fencepost.model.properties import TOPIC_PROPERTIES
from fencepost.nemesis import faults, points, targets
from fencepost.nemesis.fields import FIELDS
from fencepost.nemesis.kinds import KINDS, Kind
from fencepost.nemesis.points import POINTS

_NOTE = "<!-- Written by `make docs` from the code; changes here are overwritten. -->"

#: Event's field -> (JSON type, when it is there). The words are those of Event's docstring.
_EVENT_FIELDS = {
    "index": ("whole number", "always"), "time_us": ("whole number", "always"), "type": ("text", "always"),
    "f": ("text", "always"), "process": ("whole number", "client operations"),
    "node": ("whole number", "observations, faults"), "key": ("text", "where it is about something"),
    "value": ("anything", "where there is something to say"),
    "error": ("text", "where something failed or was refused"),
    "epochs": ("object of whole numbers", "where epochs matter"),
}


def history_format() -> str:
    """The page about the history's format, field by field."""
    from fencepost.histories.event import Event

    words = _field_words(Event.__doc__ or "")
    rows = [(f"`{name}`", kind, when, words[name]) for name, (kind, when) in _EVENT_FIELDS.items()]
    observations = [
        (f"`{name}`", key, value, epochs, says) for name, (key, value, epochs, says) in OBSERVATIONS.items()]
    return _page(
        "The history's format",
        "`history.jsonl` is JSON Lines: one JSON object a line, ASCII, names sorted, no blanks. "
        f"This is format {FORMAT}. A field that has nothing to say is left out.",
        "## The lines",
        "1. The first line is the header: `{\"header\": {...}}`.\n"
        "2. Then comes one line an event, in the order in which they happened.\n"
        "3. The last line is `{\"end\": {\"events\": n, \"digest\": \"...\"}}`. The digest is the SHA-256 of the "
        "events' lines, each with its newline. A history without this line is "
        "unfinished: its writer was killed, or the file was cut.",
        "## The header",
        _table(("field", "meaning"), _HEADER_FIELDS),
        "## An event",
        _table(("field", "JSON", "there", "meaning"), rows),
        "The types are `invoke`, `ok`, `fail` and `info` for operations of clients (`info`: nobody knows whether it "
        "took effect, and the process id is never used again), `fault` for the nemesis and `observe` for facts about "
        "the cluster.",
        "## Operations of clients",
        _table(("`f`", "what invocation and completion carry"),
               [(f"`{name}`", says) for name, says in OPERATIONS.items()]),
        "## Faults",
        _table(("event", "meaning"), list(FAULT_EVENTS.items())),
        "## Observations",
        "Offsets that end a range are exclusive.",
        _table(("`f`", "`key`", "`value`", "`epochs`", "meaning"), observations),
    )


_HEADER_FIELDS = [
    ("`format`", "the number of this format"),
    ("`mode`, `seed`, `profile`", "as in the spec"),
    ("`controllers`, `brokers`, `voters`, `clients`, `zookeepers`", "node ids"),
    ("`timing`", "every time-out of the configuration, in microseconds"),
    ("`properties`", "the whole configuration under Kafka's names, in Kafka's units"),
    ("`topic_config`", "the properties that topics were given"),
    ("`observations`", "the names of the observations that the history may hold; a checker without its inputs does "
     "not apply"),
    ("`consumer_config`", "ZooKeeper mode: the properties of consumers before Kafka 0.9, and whether they are used"),
    ("`excuses`", "whether losses that Kafka as configured can have are excused"),
    ("`api_timeout_us`", "how long a client waits for an answer to a read before it gives up"),
]


_CONFIGS = (
    ("Brokers and controllers", KafkaConfig), ("Clients", ClientConfig),
    ("Consumers before Kafka 0.9", OldConsumerConfig), ("ZooKeeper", ZooKeeperConfig))


def configuration() -> str:
    """The page about the properties that the model uses."""
    sections: list[str] = []
    for title, config in _CONFIGS:
        rows = []
        for item in fields(config):
            name = item.metadata["property"]
            rows.append((
                f"`{name}`", f"`{field_text(item, item.default)}`",
                f"`{field_text(item, item.metadata['campaign'])}`"))
        sections += [f"## {title}", _table(("property", "`kafka-defaults`", "`campaign`"), rows)]
    return _page(
        "Properties that the model uses",
        "Names, units and defaults are Kafka's. Names that begin with `fencepost.` are constants of Kafka's code that "
        "it gives no name to, or a behaviour that differs between versions. Every other name that Kafka knows is "
        "accepted and listed as not modelled; what Kafka does not know is refused.",
        "The campaign profile's replication gives way on clusters with fewer brokers.",
        *sections,
        "## Topics",
        "`--topic-config` takes " + ", ".join(f"`{name}`" for name in TOPIC_PROPERTIES) + "; Kafka's other topic "
        "properties are accepted and listed as not modelled.",
        "## Where consumers keep their offsets",
        "`--consumer-property` takes the properties of consumers before Kafka 0.9 (above), in ZooKeeper mode only. "
        "`offsets.storage=zookeeper` keeps offsets, and groups with them, in ZooKeeper; `dual.commit.enabled=true` "
        "keeps groups in ZooKeeper and offsets in both. The default, `offsets.storage=kafka` alone, is today's "
        "consumer. (Up to 0.8.2 the default was `zookeeper`, and `kafka` came with dual commit.) What each promises: "
        "[Where consumers keep their offsets](../explanation/where-offsets-are-kept.md).",
    )


def bugs() -> str:
    """The page about the known bugs."""
    rows = [
        (f"`{bug.bug_id}`", bug.mode, bug.what_went_wrong, _names(bug.rules), _names(bug.also), bug.source)
        for bug in all_bugs().values()]
    return _page(
        "Known bugs", "`--bug ID` switches one on. One of the rules in the fourth column must catch it: `campaign "
        "--until-failure` goes on until one does. Those in the fifth it breaks on its way.",
        _table(("id", "mode", "what went wrong", "caught by", "breaks, too", "source"), rows))


def _names(rules: tuple[str, ...]) -> str:
    return ", ".join(f"`{rule}`" for rule in rules)


def schedules() -> str:
    """The page about faults and their targets, from the modules and classes that define them."""
    tables = []
    for plane in dict.fromkeys(kind.plane for kind in KINDS.values()):
        rows = [_kind_row(kind) for kind in KINDS.values() if kind.plane == plane]
        tables += [f"### {plane.capitalize()}", _table(("kind", "fields", "what happens", "real event"), rows)]
    used = {name for kind in KINDS.values() for name in (*kind.needs, *kind.may)}
    rows = [(f"`{name}`", FIELDS[name].allowed, FIELDS[name].meaning) for name in FIELDS if name in used]
    return _page(
        "Schedules",
        "A schedule is a JSON list of faults, in the form in which `spec.json` stores it; `--schedule FILE` takes a "
        "list, or an object with the list as `faults` (a whole `spec.json`, for instance).",
        "```json\n[{\"kind\": \"pause\", \"at_us\": 3000000, \"duration_us\": 9000000, "
        "\"target\": {\"role\": \"active-controller\"}}]\n```",
        _body(schedule_file.__doc__),
        "## Faults", _body(faults.__doc__),
        "## Kinds",
        "Fields in brackets may be left out. Kinds of one mode only are refused in the other, as are its roles and "
        "points.",
        *tables,
        "## Fields", "Besides those that every fault has:", _table(("field", "what may stand there", "meaning"), rows),
        "## Points", _body(points.__doc__),
        _table(("point", "what the node has just done", "mode", "passed"), [
            (f"`{name}`", point.meaning, _mode_words(point.modes), point.often) for name, point in POINTS.items()]),
        "## Targets", _body(targets.__doc__))


def _kind_row(kind: Kind) -> tuple[str, ...]:
    """One kind's line, from its docstring and the fields that it takes."""
    happens, stands, event = inspect.cleandoc(type(kind).__doc__ or "").partition("Stands for:")
    assert stands, f"the docstring of {kind.name} says which real event it stands for"
    takes = [*(["target"] if kind.has_target else []), *kind.needs]
    fields_ = ", ".join([*(f"`{name}`" for name in takes), *(f"[`{name}`]" for name in kind.may)])
    mode = f" ({_mode_words(kind.modes)} mode only)" if len(kind.modes) == 1 else ""
    return f"`{kind.name}`", fields_, happens + mode, event.strip().rstrip(".")


def _mode_words(modes: Sequence[str]) -> str:
    return " or ".join({"kraft": "KRaft", "zk": "ZooKeeper"}[mode] for mode in modes)


def rules() -> str:
    """The page about the rules, from the modules that check them."""
    sections = []
    for module_info in sorted(pkgutil.iter_modules(checkers.__path__), key=lambda info: info.name):
        module = import_module(f"fencepost.checkers.{module_info.name}")
        if _has_checker(module):
            title = (module.__doc__ or "").partition("\n")[0]
            sections.append(f"## {module_info.name}\n\n{title}\n\n{_body(module.__doc__)}")
    return _page(
        "Rules", "Each checker is a module of `fencepost.checkers`; these are their own words. A rule's name is what a "
        "violation is reported under.", *sections)


def _has_checker(module: ModuleType) -> bool:
    """Whether a module defines a checker, and not only puts those of others together."""
    return any(
        isinstance(thing, type) and issubclass(thing, Findings) and thing.__module__ == module.__name__ and thing.name
        for thing in vars(module).values())


def anomalies() -> str:
    """The page about the anomalies that `fencepost check` can report, from the functions that find them."""
    sections: list[str] = []
    for name, model in ANOMALY_MODELS.items():
        sections += [
            f"## {name}", f"`--model {name}`: {model.description}.",
            _table(("`--option`", "meaning"), [(f"`{option}`", says) for option, says in model.options.items()])]
        sections += [f"### {kind}\n\n{words}" for kind, words in model.kinds.items()]
    return _page(
        "Anomalies",
        "Each entry defines an anomaly, shows a small history that has it, and says what operations of which nobody "
        "knows whether they took effect (`info`) count for. The operations of an example overlap; in those of logs, "
        "and of variants called process and realtime, they follow each other, but for those said to be open all the "
        "time. Anomalies that the contract in question permits are reported as allowed and do not decide the "
        "verdict.", *sections)


def models() -> str:
    """The page about the objects that linearizability is judged by, from their modules."""
    rows = [(f"`{kind.name}`", kind.summary, kind.initial or "always empty") for kind in objects.MODELS.values()]
    sections = []
    for module in dict.fromkeys(kind.make.__module__ for kind in objects.MODELS.values()):
        words = import_module(module).__doc__ or ""
        names = ", ".join(kind.name for kind in objects.MODELS.values() if kind.make.__module__ == module)
        sections.append(f"## {names}\n\n{words.strip()}")
    return _page(
        "Models", "`fencepost check FILE --model NAME` asks whether the history is linearizable with respect to one of "
        "these objects, each key on its own. Anomalies and the contracts that ask less are on "
        "[a page of their own](anomalies.md); [a model of your own](../how-to/own-model.md) takes ten lines.",
        _table(("name", "the object", "`--initial`"), rows), *sections)


def history_formats() -> str:
    """The page about the formats of others' histories, from the modules that read them."""
    modules = ("edn_history", "edn", "json_lines", "intervals", "log_lines", "run_history")
    sections = [import_module(f"fencepost.histories.formats.{name}").__doc__ or "" for name in modules]
    titles = ("EDN", "EDN's values", "JSON Lines", "Intervals", "Log lines", "Runs of Fencepost")
    return _page(
        "Formats of histories", _body(formats.__doc__).partition("    >>>")[0].strip(),
        *(f"## {title}\n\n{words.strip()}" for title, words in zip(titles, sections, strict=True)),
        f"## Operations from lines\n\n{(pairing.__doc__ or '').strip()}")


PAGES: dict[str, Callable[[], str]] = {
    "history-format.md": history_format, "configuration.md": configuration, "rules.md": rules, "bugs.md": bugs,
    "schedules.md": schedules, "anomalies.md": anomalies, "models.md": models, "formats.md": history_formats,
}


def _field_words(docstring: str) -> dict[str, str]:
    """name -> description, from the `name: words` lines of a docstring."""
    words: dict[str, str] = {}
    name = ""
    for line in docstring.splitlines():
        match = re.match(r"    (\w+): (.*)", line)
        if match:
            name = match[1]
            words[name] = match[2]
        elif name and line.strip():
            words[name] += " " + line.strip()
    return words


def _body(docstring: str | None) -> str:
    """A module's docstring without its first line."""
    return (docstring or "").partition("\n")[2].strip()


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", _NOTE, *parts]) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in line) + " |" for line in lines)


def stale_pages(directory: Path) -> list[Path]:
    """The pages that are not what the code says."""
    return [
        directory / name for name, render in PAGES.items()
        if not (directory / name).is_file() or (directory / name).read_text(encoding="utf-8") != render()]


def main(arguments: Sequence[str]) -> int:
    """Write or check the pages; the exit code."""
    check = "--check" in arguments
    directory = Path(next(argument for argument in arguments if argument != "--check"))
    if check:
        stale = stale_pages(directory)
        for path in stale:
            print(f"{path} is not what the code says; run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    directory.mkdir(parents=True, exist_ok=True)
    for name, render in PAGES.items():
        (directory / name).write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
