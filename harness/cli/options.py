"""The options that `run` and `campaign` share, and how they become a spec."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fencepost.harness.words import read_duration
from fencepost.histories.errors import InputError

if TYPE_CHECKING:
    from fencepost.harness.spec import RunSpec

PROFILES = ("campaign", "kafka-defaults")


def read_duration_option(context: click.Context, parameter: click.Parameter, value: str) -> int:
    """A duration such as 30s or 500ms, in microseconds."""
    try:
        return read_duration(value)
    except InputError as error:
        raise click.BadParameter(str(error)) from None


def path_type() -> Any:
    """A path; whether it is there is said by whoever opens it."""
    return click.Path(path_type=Path)


_SPEC_OPTIONS = (
    click.option("--mode", type=click.Choice(["kraft", "zk"]), default="kraft", show_default=True,
                 help="What keeps the metadata: a quorum of controllers, or ZooKeeper."),
    click.option("--controllers", type=int, help="How many controllers, 1 to 7.  [default: 3]"),
    click.option("--zookeepers", type=int, help="How many ZooKeeper servers, 1 to 7, with --mode zk.  [default: 3]"),
    click.option("--brokers", type=int, help="How many brokers.  [default: 3]"),
    click.option("--clients", type=int, default=6, show_default=True, help="How many clients."),
    click.option("--combined", is_flag=True, help="Each controller is a broker too."),
    click.option("--duration", callback=read_duration_option, default="30s", show_default=True,
                 help="Virtual time in which faults strike; the quiet phase comes on top."),
    click.option("--profile", type=click.Choice(PROFILES), default="campaign", show_default=True,
                 help="Time-outs a tenth of Kafka's, or Kafka's own."),
    click.option("--bug", "bugs", multiple=True, metavar="ID", help="Switch a known bug on (see `fencepost bugs`)."),
    click.option("--faults", default="all", show_default=True, metavar="all|core|KIND,...",
                 help="The kinds of fault that schedules are drawn from."),
    click.option("--schedule", type=path_type(), help="A JSON file with the faults."),
    click.option("--server-properties", type=path_type(), help="A server.properties file, as Kafka reads it."),
    click.option("--zookeeper-properties", type=path_type(),
                 help="A zookeeper.properties (zoo.cfg) file, as ZooKeeper reads it, with --mode zk."),
    click.option("--topic-config", multiple=True, metavar="NAME=VALUE", help="A property of the topics."),
    click.option("--consumer-property", multiple=True, metavar="NAME=VALUE",
                 help="A property of consumers before Kafka 0.9, with --mode zk (offsets.storage=zookeeper)."),
    click.option("--no-excuses", is_flag=True, help="Losses that Kafka as configured can have are violations."),
    click.option("--store", type=path_type(), default="store", show_default=True, help="Where runs are kept."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text."),
)


def spec_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the shared options to a command."""
    for option in reversed(_SPEC_OPTIONS):
        command = option(command)
    return command


def build_spec(seed: int, options: dict[str, Any]) -> tuple["RunSpec", list[str]]:
    """The spec that the options ask for, and the properties given that are not modelled.

    Raises InputError, in one line, for anything that cannot be.
    """
    from fencepost.harness.schedule_file import is_spec, read_schedule
    from fencepost.harness.spec import RunSpec, check_faults, check_shape, check_spec
    from fencepost.histories.store import read_json
    from fencepost.model.bugs.catalogue import composer_with
    from fencepost.model.effective_config import node_shape
    from fencepost.model.properties import (
        GivenProperties,
        read_old_consumer_properties,
        read_server_properties,
        read_topic_properties,
    )
    from fencepost.model.properties_file import read_properties_file
    from fencepost.model.zookeeper_properties import GivenZooKeeper, read_zookeeper_properties

    server, ensemble = GivenProperties(), GivenZooKeeper()
    if options["server_properties"] is not None:
        server = read_server_properties(read_properties_file(options["server_properties"]))
    if options["zookeeper_properties"] is not None:
        path = options["zookeeper_properties"]
        ensemble = read_zookeeper_properties(read_properties_file(path), str(path))
    topics = read_topic_properties(_named(options["topic_config"], "--topic-config", "min.insync.replicas=2"))
    consumers = read_old_consumer_properties(
        _named(options["consumer_property"], "--consumer-property", "offsets.storage=zookeeper"))
    shape = _shape(options, node_shape(server), str(options["server_properties"]), ensemble)
    check_shape(shape, "options")
    _check_selection(options)
    faults, hand_written = None, False
    if options["schedule"] is not None:
        schedule, source = read_json(options["schedule"]), str(options["schedule"])
        faults, hand_written = read_schedule(schedule, source), not is_spec(schedule)
        check_faults(faults, source)
    spec = RunSpec(
        seed=seed, mode=options["mode"], profile=options["profile"], shape=shape, duration_us=options["duration"],
        properties=server.modelled, topic_config=topics.modelled, consumer_config=consumers.modelled,
        bugs=tuple(dict.fromkeys(options["bugs"])),
        excuses=not options["no_excuses"], faults=faults, zookeeper_properties=ensemble.modelled,
        draw_from=options["faults"],
    )
    check_spec(spec, str(options["schedule"] or "options"), hand_written)
    composer_with(spec.bugs, spec.mode)
    if spec.duration_us < 1_000_000:
        raise InputError("--duration: allowed is at least 1s, for a cluster needs that long to start")
    return spec, [*server.not_modelled, *ensemble.not_modelled, *topics.not_modelled, *consumers.not_modelled]


def _check_selection(options: dict[str, Any]) -> None:
    """Kinds to draw from must be known, and of use."""
    from fencepost.nemesis.fields import FaultError
    from fencepost.nemesis.selection import ALL, selected_kinds

    try:
        selected_kinds(options["faults"], options["mode"])
    except FaultError as error:
        raise InputError(f"--faults: {error}") from None
    if options["faults"] != ALL and options["schedule"] is not None:
        raise InputError("--faults: allowed only without --schedule, for with it nothing is drawn")


def _shape(options: dict[str, Any], said: Any, source: str, ensemble: Any) -> Any:
    """The options' numbers, or else what the properties files say; they must not contradict each other."""
    from fencepost.model.shape import Shape

    if options["mode"] == "zk":
        for name in ("controllers", "combined"):
            if options[name]:
                raise InputError(f"--{name}: allowed only with --mode kraft, for with ZooKeeper the brokers control")
        if said.combined is not None or said.controllers is not None:
            raise InputError(f"{source}: process.roles and controller.quorum.voters are KRaft's: allowed with "
                             "--mode zk is a file without them")
        if None not in (options["zookeepers"], ensemble.servers) and options["zookeepers"] != ensemble.servers:
            raise InputError(f"{ensemble.source}: it names {ensemble.servers} servers that vote: allowed with "
                             f"--zookeepers {options['zookeepers']} are as many")
        return Shape(
            brokers=_first_given(options["brokers"], 3), clients=options["clients"],
            zookeepers=_first_given(options["zookeepers"], ensemble.servers, 3))
    for name in ("zookeepers", "zookeeper_properties"):
        if options[name] is not None:
            raise InputError(f"--{name.replace('_', '-')}: allowed only with --mode zk")
    combined = options["combined"] or bool(said.combined)
    if options["combined"] and said.combined is False:
        raise InputError(f"{source}: process.roles has one role: allowed with --combined is broker,controller")
    if None not in (options["controllers"], said.controllers) and options["controllers"] != said.controllers:
        raise InputError(f"{source}: controller.quorum.voters has {said.controllers}: allowed with --controllers "
                         f"{options['controllers']} is as many")
    controllers = _first_given(options["controllers"], said.controllers, 3)
    brokers = _first_given(options["brokers"], controllers if combined else 3)
    return Shape(controllers, brokers, options["clients"], combined)


def _first_given(*values: int | None) -> int:
    return next(value for value in values if value is not None)


def _named(texts: tuple[str, ...], option: str, example: str) -> list[Any]:
    """The properties given one by one with an option."""
    from fencepost.model.properties_file import Property

    properties = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InputError(f"{option} {text}: allowed is name=value, such as {example}")
        properties.append(Property(name.strip(), value.strip(), option))
    return properties
