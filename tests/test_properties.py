"""Reading real properties files: what is modelled, what is only known, what is refused and in which words."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fencepost.model.effective_config import effective_config, node_shape, property_text
from fencepost.model.properties import (
    is_known_to_brokers,
    known_names,
    modelled_fields,
    read_server_properties,
    read_topic_properties,
)
from fencepost.model.properties_file import Property, PropertyError, parse_properties, read_properties_file

#: As Kafka ships it for one combined node, in short.
COMBINED = """\
# The role of this server.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
controller.listener.names=CONTROLLER
num.network.threads=3
log.dirs=/tmp/kraft-combined-logs
offsets.topic.replication.factor=1
"""


def read(text: str):
    return read_server_properties(parse_properties(text, "f.properties"))


def refusal(text: str, brokers: int = 3, profile: str = "campaign") -> str:
    """The one line with which a text is refused."""
    def use() -> None:
        properties = read(text)
        node_shape(properties)
        effective_config(profile, properties.modelled, brokers)

    with pytest.raises(PropertyError) as caught:
        use()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- Java's format ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "expected"), [
    ("a=b", [("a", "b")]),
    ("a = b ", [("a", "b")]),
    ("a:b", [("a", "b")]),
    ("a b", [("a", "b")]),
    ("a", [("a", "")]),
    ("  a=b=c", [("a", "b=c")]),
    ("# a=b\n! c=d\n\n \t\ne=f", [("e", "f")]),
    ("a=b,\\\n   c", [("a", "b,c")]),
    ("a=b\\\\\nc=d", [("a", "b\\"), ("c", "d")]),
    ("a=b\\\n#c=d", [("a", "b#c=d")]),
    ("a\\=b=c", [("a=b", "c")]),
    ("a=\\u0041\\tb", [("a", "A\tb")]),
    ("a=b\r\nc=d\re=f", [("a", "b"), ("c", "d"), ("e", "f")]),
    ("a=b\\", [("a", "b")]),
    ("\\", []),
])
def test_java_properties(text, expected):
    assert [(item.name, item.value) for item in parse_properties(text, "f")] == expected


def test_origin_is_the_first_line_of_a_continued_one():
    assert [item.origin for item in parse_properties("# x\na=b\\\n c\nd=e", "f")] == ["f line 2", "f line 4"]


def test_bad_unicode_escape_is_refused():
    with pytest.raises(PropertyError, match=r"f line 1: \\u needs four hexadecimal digits"):
        parse_properties("a=\\u00g1", "f")


@given(st.text(alphabet=st.sampled_from("ab=: \\\n\r#!u0\t"), max_size=40))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(PropertyError):
        assert all(item.origin.startswith("f line ") for item in parse_properties(text, "f"))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(PropertyError, match="cannot be read: No such file"):
        read_properties_file(tmp_path / "none.properties")


def test_a_file_in_latin_1(tmp_path):
    path = tmp_path / "f.properties"
    path.write_bytes(b"# Gr\xfc\xdfe\nnum.partitions=4\n")
    assert [(item.name, item.value) for item in read_properties_file(path)] == [("num.partitions", "4")]


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_real_file_is_read_as_it_is():
    given_properties = read(COMBINED)
    assert given_properties.modelled == {"offsets.topic.replication.factor": "1"}
    assert given_properties.not_modelled == ["num.network.threads", "log.dirs"]
    shape = node_shape(given_properties)
    assert (shape.combined, shape.controllers) == (True, 1)


def test_every_name_that_kafka_knows_is_accepted():
    values = {
        "process.roles": "", "controller.quorum.voters": "", "authorizer.class.name": "", "super.users": "",
        "inter.broker.protocol.version": "3.9"}
    for name in sorted(known_names("broker")):
        item = modelled_fields().get(name)
        is_flag = name.endswith(".enable") or (item is not None and item.metadata["unit"] == "flag")
        value = values.get(name, "true" if is_flag else "1")
        read_server_properties([Property(name, value, "f")])


def test_unknown_names_get_the_nearest_known_one():
    assert refusal("replica.lag.tim.max.ms=40") == (
        "f.properties line 1: replica.lag.tim.max.ms=40: Kafka knows no broker property of that name; "
        "the nearest is replica.lag.time.max.ms")


def test_names_of_another_scope_say_so():
    assert "it is a property of topics; the nearest is log.retention.ms" in refusal("retention.ms=4")
    assert "it is a property of producers and consumers and admins" in refusal("bootstrap.servers=a:1")


@pytest.mark.parametrize(("name", "known"), [
    ("listener.name.internal.ssl.keystore.location", True),
    ("listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config", True),
    ("listener.name.internal.ssl.keystore.locatoin", False),
    ("listener.name.internal", False),
    ("rsm.config.anything", True),
    ("num.network.threads", True),
    ("num.network.thread", False),
])
def test_listener_prefixes(name, known):
    assert is_known_to_brokers(name) is known


def test_topic_properties():
    given_properties = read_topic_properties(
        [Property("min.insync.replicas", "1", "o"), Property("retention.ms", "-1", "o")])
    assert given_properties.modelled == {"min.insync.replicas": "1"}
    assert given_properties.not_modelled == ["retention.ms"]
    with pytest.raises(PropertyError, match=r"no topic property of that name; the nearest is retention\.ms"):
        read_topic_properties([Property("retenton.ms", "1", "o")])


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "allowed"), [
    ("broker.session.timeout.ms=abc", "a whole number from 1 to 2147483647 (milliseconds)"),
    ("broker.session.timeout.ms=", "a whole number from 1 to 2147483647 (milliseconds)"),
    ("broker.session.timeout.ms=0", "a whole number from 1 to 2147483647 (milliseconds)"),
    ("broker.session.timeout.ms=2147483648", "a whole number from 1 to 2147483647 (milliseconds)"),
    ("replica.lag.time.max.ms=9223372036854775808", "a whole number from 0 to 9223372036854775807 (milliseconds)"),
    ("num.partitions=1.5", "a whole number from 1 to 2147483647"),
    ("unclean.leader.election.enable=yes", "true or false"),
    ("auto.create.topics.enable=maybe", "true or false"),
    ("log.retention.hours=long", "a whole number"),
    ("authorizer.class.name=com.example.Mine", "org.apache.kafka.metadata.authorizer.StandardAuthorizer, or nothing"),
    ("super.users=admin", "a list of principals such as User:admin;User:ops"),
    ("inter.broker.protocol.version=new", "a version such as 3.9, 2.6 or 2.7-IV1"),
])
def test_bad_values_are_refused_with_what_is_allowed(text, allowed):
    assert refusal(text).startswith(f"f.properties line 1: {text}: allowed is {allowed}")


@pytest.mark.parametrize(
    "text", ["unclean.leader.election.enable=TRUE", "log.retention.hours=${file:x:y}", "log.retention.ms=-1"])
def test_good_values_pass(text):
    read(text)


@pytest.mark.parametrize(("text", "words"), [
    ("replica.lag.time.max.ms=40", "replica.lag.time.max.ms=40: allowed is a value at least replica.fetch.wait.max.ms "
                                   "(50, the campaign profile's: give both)"),
    ("replica.lag.time.max.ms=40\nreplica.fetch.wait.max.ms=41",
     "replica.fetch.wait.max.ms=41: allowed is a value at most replica.lag.time.max.ms (40)"),
    ("broker.heartbeat.interval.ms=900", "allowed is a value less than broker.session.timeout.ms (900"),
    ("min.insync.replicas=4", "allowed is a whole number from 1 to 3, for there are 3 brokers"),
    ("min.insync.replicas=3\ndefault.replication.factor=2",
     "min.insync.replicas=3: allowed is a value at most default.replication.factor (2)"),
    ("default.replication.factor=4", "allowed is a whole number from 1 to 3, for there are 3 brokers"),
    ("min.insync.replicas=2\noffsets.topic.replication.factor=1",
     "min.insync.replicas=2: allowed is a value at most offsets.topic.replication.factor (1)"),
])
def test_contradictions_between_values(text, words):
    assert words in refusal(text)


@pytest.mark.parametrize(("text", "words"), [
    ("process.roles=broker\ncontroller.quorum.voters=1@a:1",
     "process.roles=broker: allowed is only together with a node.id"),
    ("process.roles=broker\nnode.id=1\ncontroller.listener.names=C",
     "allowed is only together with controller.quorum.voters"),
    ("process.roles=boss", "process.roles=boss: allowed is broker, controller or broker,controller"),
    ("process.roles=broker,broker", "allowed is broker, controller or broker,controller"),
    ("process.roles=controller\nnode.id=4\ncontroller.quorum.voters=1@a:1,2@b:1",
     "node.id=4: allowed is one of controller.quorum.voters (1, 2) for a controller"),
    ("process.roles=broker\nnode.id=1\ncontroller.quorum.voters=1@a:1",
     "node.id=1: allowed is none of controller.quorum.voters (1) for a broker"),
    ("node.id=1\nbroker.id=2", "broker.id=2: allowed is the value of node.id (1), or no broker.id"),
    ("node.id=-1", "node.id=-1: allowed is a whole number from 0"),
    ("node.id=" + "9" * 5000, "allowed is a whole number from 0"),
    ("controller.quorum.voters=1@a:1,1@b:1", "allowed is a list of id@host:port, each id once"),
    ("controller.quorum.voters=localhost:9093", "allowed is a list of id@host:port, each id once"),
    ("process.roles=controller\nnode.id=1\ncontroller.quorum.voters=1@a:1\ncontroller.listener.names=C\nlisteners=P://:1",
     "allowed is a list with one of controller.listener.names (C) for a controller"),
    ("process.roles=broker\nnode.id=2\ncontroller.quorum.voters=1@a:1\ncontroller.listener.names=C\nlisteners=C://:1",
     "allowed is a list without controller.listener.names (C) for a broker"),
    ("process.roles=broker\nnode.id=2\ncontroller.quorum.voters=1@a:1", "only together with controller.listener.names"),
])
def test_contradictions_about_the_node(text, words):
    assert words in refusal(text)


# --- effective configuration ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["campaign", "kafka-defaults"])
@pytest.mark.parametrize("brokers", [1, 2, 3, 7])
def test_profiles_fit_every_number_of_brokers(profile, brokers):
    config = effective_config(profile, {}, brokers).kafka
    assert config.min_insync_replicas <= config.default_replication_factor <= brokers
    assert config.min_insync_replicas <= config.offsets_topic_replication_factor <= brokers


def test_given_values_win_over_the_profile():
    config = effective_config(
        "campaign", {"replica.lag.time.max.ms": "1234", "unclean.leader.election.enable": "True"}, 3)
    assert config.kafka.replica_lag_time_max_us == 1_234_000
    assert config.kafka.unclean_leader_election_enable is True
    assert config.properties["replica.lag.time.max.ms"] == "1234"


def test_kafka_defaults_are_kafkas():
    properties = effective_config("kafka-defaults", {}, 3).properties
    assert properties["replica.lag.time.max.ms"] == "30000"
    assert properties["broker.session.timeout.ms"] == "9000"
    assert properties["unclean.leader.election.enable"] == "false"


def test_values_are_written_in_kafkas_units():
    assert property_text("controller.quorum.append.linger.ms", 2500) == "2.5"
    assert property_text("controller.quorum.append.linger.ms", 25_000) == "25"
