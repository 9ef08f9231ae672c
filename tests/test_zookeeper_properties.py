"""Reading a ZooKeeper server's properties: what is modelled, what is only known, what is refused and in which words."""

from pathlib import Path

import pytest
from command_line import Command, in_process

from fencepost.harness.run import run
from fencepost.harness.spec import RunSpec, spec_from_data
from fencepost.histories.errors import InputError
from fencepost.model.effective_config import effective_config
from fencepost.model.properties_file import PropertyError, parse_properties, read_properties_file
from fencepost.model.shape import Shape
from fencepost.model.zookeeper_properties import GivenZooKeeper, known_zookeeper_names, read_zookeeper_properties

SHIPPED = Path(__file__).resolve().parents[2] / "shared" / "kafka" / "config" / "zookeeper.properties"

ENSEMBLE = """\
tickTime=400
initLimit=5
syncLimit=3
snapCount=500
minSessionTimeout=3000
dataDir=/var/lib/zookeeper
clientPort=2181
server.1=zk1:2888:3888
server.2=zk2:2888:3888:participant;2181
server.3=zk3:2888:3888
server.4=zk4:2888:3888:observer
autopurge.purgeInterval=1
metricsProvider.httpPort=7000
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The `fencepost` command, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return in_process(monkeypatch, capsys)


def read(text: str) -> GivenZooKeeper:
    return read_zookeeper_properties(parse_properties(text, "zoo.cfg"))


def refusal(text: str) -> str:
    """The one line with which a text is refused."""
    def use() -> None:
        effective_config("campaign", {}, 3, zookeeper=read(text).modelled)

    with pytest.raises(PropertyError) as caught:
        use()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.skipif(not SHIPPED.exists(), reason="Kafka's own files are not there")
def test_the_file_that_kafka_ships_is_read_as_it_is() -> None:
    given = read_zookeeper_properties(read_properties_file(SHIPPED))
    assert given.modelled == {}
    assert given.not_modelled == ["dataDir", "clientPort", "maxClientCnxns", "admin.enableServer"]
    assert given.servers is None


def test_what_the_model_uses_takes_effect_and_the_rest_is_listed() -> None:
    given = read(ENSEMBLE)
    config = effective_config("campaign", {}, 3, zookeeper=given.modelled)
    ensemble = config.zookeeper
    assert (ensemble.tick_time_us, ensemble.init_limit_ticks, ensemble.sync_limit_ticks) == (400_000, 5, 3)
    assert (ensemble.snap_count, config.zookeeper_session_timeout_us) == (500, 3_000_000)
    assert config.zookeeper_properties["minSessionTimeout"] == "3000"
    assert given.servers == 3
    assert given.not_modelled == [
        "dataDir", "clientPort", "server.4", "autopurge.purgeInterval", "metricsProvider.httpPort"]


@pytest.mark.parametrize(("text", "granted_ms"), [
    ("", 1800), ("tickTime=2000", 4000), ("tickTime=50", 1000), ("maxSessionTimeout=900", 900),
    ("tickTime=2000\nminSessionTimeout=10", 1800),
])
def test_a_session_gets_what_it_asks_for_within_its_bounds(text: str, granted_ms: int) -> None:
    """Brokers ask for 1800 ms; unless something else is set the bounds are 2 and 20 ticks, of 200 ms."""
    config = effective_config("campaign", {}, 3, zookeeper=read(text).modelled)
    assert config.zookeeper_session_timeout_us == granted_ms * 1000


def test_every_name_that_zookeeper_knows_is_accepted() -> None:
    values = {"electionAlg": "3", "peerType": "participant"}
    for name in known_zookeeper_names():
        accepted = [value for value in (values.get(name), "true", "4000", "10") if value and _is_read(name, value)]
        assert accepted, name


def _is_read(name: str, value: str) -> bool:
    try:
        read(f"{name}={value}")
    except PropertyError:
        return False
    return True


@pytest.mark.parametrize(("text", "words"), [
    ("tickTim=3", "zoo.cfg line 1: tickTim=3: ZooKeeper knows no property of that name; the nearest is tickTime"),
    ("\ntickTime=x", "zoo.cfg line 2: tickTime=x: allowed is a whole number from 2 to 2147483647 (milliseconds)"),
    ("initLimit=0", "zoo.cfg line 1: initLimit=0: allowed is a whole number from 1 to 2147483647"),
    ("peerType=observer", "zoo.cfg line 1: peerType=observer: allowed is participant"),
    ("electionAlg=1", "zoo.cfg line 1: electionAlg=1: allowed is 3"),
    ("syncEnabled=perhaps", "zoo.cfg line 1: syncEnabled=perhaps: allowed is true or false"),
    ("clientPort=a", "zoo.cfg line 1: clientPort=a: allowed is a whole number"),
    ("server.9=foo", "zoo.cfg line 1: server.9=foo: allowed is host:port:electionPort, such as zk1:2888:3888"),
    ("minSessionTimeout=9000", "minSessionTimeout=9000: allowed is a value at most maxSessionTimeout (4000; where they "
                               "are not given they are 2 and 20 times tickTime)"),
    ("maxSessionTimeout=10", "maxSessionTimeout=10: allowed is a value at least minSessionTimeout (400; where they "
                             "are not given they are 2 and 20 times tickTime)"),
    ("fastleader.maxNotificationInterval=1", "fastleader.maxNotificationInterval=1: allowed is a value at least "
                                             "fastleader.minNotificationInterval (20)"),
])
def test_bad_values_are_refused_with_what_is_allowed(text: str, words: str) -> None:
    assert refusal(text) == words


def test_a_file_says_how_many_servers_there_are_and_is_not_contradicted(tmp_path: Path, command: Command) -> None:
    (tmp_path / "zoo.cfg").write_text(ENSEMBLE)
    arguments = ["run", "--seed", "1", "--duration", "1s", "--zookeeper-properties", "zoo.cfg"]
    code, output, _ = command(*arguments, "--mode", "zk", "--brokers", "1", "--clients", "1")
    assert code == 0
    assert "3 ZooKeeper servers, 1 broker" in output
    assert "server.4" in output
    assert command(*arguments, "--mode", "zk", "--zookeepers", "5") == (254, "", (
        "fencepost: zoo.cfg: it names 3 servers that vote: allowed with --zookeepers 5 are as many\n"))
    assert command(*arguments)[2] == "fencepost: --zookeeper-properties: allowed only with --mode zk\n"


def test_a_spec_keeps_them_and_runs_by_them() -> None:
    spec = RunSpec(seed=1, mode="zk", shape=Shape(brokers=1, zookeepers=1, clients=1), duration_us=1_000_000,
                   faults=[], workload=[], zookeeper_properties={"tickTime": "1000", "maxSessionTimeout": "2500"})
    result = run(spec)
    sessions = [event.value for event in result.events if event.f == "zk-session" and event.value["what"] == "created"]
    assert [session["timeout_us"] for session in sessions] == [2_000_000]
    assert result.header["zookeeper_properties"]["maxSessionTimeout"] == "2500"
    data = result.spec.to_data()
    assert spec_from_data(data, "spec.json") == result.spec
    with pytest.raises(InputError, match="tickTime=1: allowed is"):
        spec_from_data({**data, "zookeeper_properties": {"tickTime": "1"}}, "spec.json")
    with pytest.raises(InputError, match="unknown field 'zookeeper_properties'"):
        spec_from_data({**data, "mode": "kraft", "shape": {}}, "spec.json")
