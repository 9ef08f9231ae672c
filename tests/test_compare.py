"""What each architecture costs: the shapes that are claimed, and figures that are a function of the seed."""

import json
import re
from pathlib import Path

import pytest
from command_line import in_process
from compare_table import rows

from fencepost.harness.compare.branch import in_a_branch
from fencepost.harness.compare.comparison import Comparison, Item, Measured, Order, measure
from fencepost.harness.compare.measurements import MEASUREMENTS, failover
from fencepost.harness.compare.published import CLAIMS, growth_us, line_us
from fencepost.harness.compare.scene import SECOND_US, Scene
from fencepost.harness.compare.tables import growth_lines
from fencepost.histories.errors import FencepostError, InputError
from fencepost.model.protocol.data import ProduceRequest

README = Path(__file__).parent.parent / "README.md"
FEW, MANY = 100, 2_000


@pytest.fixture
def fencepost(monkeypatch, capsys):
    return in_process(monkeypatch, capsys)


def measured(what, partitions, seed=0):
    """Mode -> figures, of one trial."""
    figures = {}
    for mode in ("zk", "kraft"):
        scene = Scene(mode, partitions, seed)
        scene.come_to_rest()
        figures[mode] = MEASUREMENTS[what](scene)
    return figures


def growth(what, figure, since):
    """Mode -> how many times as long it takes with twenty times the partitions, counted from `since`."""
    few, many = measured(what, FEW), measured(what, MANY)
    return {
        mode: (many[mode][figure] - many[mode].get(since, 0)) / (few[mode][figure] - few[mode].get(since, 0))
        for mode in few}


@pytest.mark.parametrize("figure", ["first_change", "last_writable"])
def test_a_fail_over_is_linear_in_the_partitions_with_zookeeper_and_flat_with_kraft(figure):
    times = growth("failover", figure, "elected")
    assert 10 < times["zk"] < 25
    assert times["kraft"] < 1.5


def test_recovery_from_a_crash_is_linear_with_zookeeper_and_nearly_flat_with_kraft():
    times = growth("broker-crash", "recovered", "detected")
    assert 10 < times["zk"] < 25
    assert times["kraft"] < 1.5


def test_controlled_shutdown_is_linear_with_zookeeper_and_bound_to_heartbeats_with_kraft():
    times = growth("controlled-shutdown", "ended", None)
    assert 10 < times["zk"] < 25
    assert times["kraft"] < 1.5


def test_a_topic_takes_longer_to_create_with_zookeeper_the_more_topics_there_are():
    few, many = measured("topic-create", 10), measured("topic-create", MANY)
    assert many["zk"]["create"] - few["zk"]["create"] > 150, "two hundred names more in each list of topics"
    assert many["kraft"]["create"] == pytest.approx(few["kraft"]["create"], rel=0.02)


@pytest.mark.parametrize("mode", ["zk", "kraft"])
def test_what_is_said_to_be_writable_again_can_be_written(mode):
    scene = Scene(mode, 20, 0)
    scene.come_to_rest()
    (controller,) = scene.controllers()
    orphans = scene.led_by(controller)
    assert len(orphans) == 4
    failover(scene)
    for name in orphans:
        topic, _, index = name.rpartition("-")
        (leader,) = scene.cluster.leaders_of(name)
        answers = []
        request = ProduceRequest(topic, int(index), ("a",), -1, SECOND_US)
        scene.probe.request(leader, "probe", request, SECOND_US, answers.append)
        scene.run(SECOND_US)
        assert (leader != controller, answers[0].error) == (True, None)


def test_the_same_seed_gives_the_same_figures_whatever_else_is_measured():
    alone = measure(Item("zk", 20, ("broker-crash",), 3))
    together = measure(Item("zk", 20, ("failover", "broker-crash", "controlled-shutdown"), 3))
    assert alone == [each for each in together if each.what == "broker-crash"]
    assert measure(Item("zk", 20, ("broker-crash",), 4)) != alone


def test_the_readme_has_what_compare_prints():
    lines = README.read_text(encoding="utf-8").partition("## ZooKeeper against KRaft")[2].partition("\n## ")[0]
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines.splitlines() if line.startswith("|")]
    head, body = table[0], table[2:]
    counts = (10, 1_000)
    columns = [head.index(f"{count:,}") for count in counts]
    figures = {
        (each.what, each.mode, count): each.figures_us
        for count in counts for mode in ("zk", "kraft")
        for each in measure(Item(mode, count, tuple(MEASUREMENTS), 0))}
    shown = [[row[0], row[1], *(row[column] for column in columns)] for row in body]
    assert shown == list(rows(figures, counts)), "tests/support/compare_table.py says how the table is made"


# --- what the figures come to -----------------------------------------------------------------------------------------


def told(*recovered_us):
    """A comparison of one measurement, with each of (partitions, ZooKeeper, KRaft) recovered after a second."""
    order = Order(tuple(count for count, _, _ in recovered_us), ("broker-crash",), 0, 1)
    return Comparison(order, [
        Measured("broker-crash", mode, count, ({"detected": SECOND_US, "recovered": SECOND_US + after_us},))
        for count, *after in recovered_us for mode, after_us in zip(("zk", "kraft"), after, strict=True)])


def test_growth_is_counted_from_the_detection_and_said_only_beyond_the_scatter():
    comparison = told((10, 1_000, 500_000), (1_010, 101_000, 510_000))
    assert growth_us(comparison, "broker-crash", "zk", "recovered", "detected") == 100
    (line,) = growth_lines(comparison, "broker-crash")
    assert line.endswith("writable again: ZooKeeper +100.0 ms, KRaft nothing beyond the scatter")
    assert growth_lines(told((10, 1_000, 2_000)), "broker-crash") == []


def test_a_straight_line_is_followed_only_so_far():
    comparison = told((10, 1_000, 500_000), (1_010, 101_000, 510_000))
    assert line_us(comparison, "broker-crash", "zk", "recovered", "detected", 20_010) == SECOND_US + 2_001_000
    assert line_us(comparison, "broker-crash", "zk", "recovered", "detected", 20_210) is None
    claims = [claim.here(comparison) for claim in CLAIMS if claim.what == "broker-crash"]
    assert claims == [None]
    (far,) = (claim for claim in CLAIMS if claim.what == "broker-crash")
    assert "times as long" in far.here(told((10, 1_000, 500_000), (100_000, 9_000_000, 900_000)))


# --- the command ------------------------------------------------------------------------------------------------------


def test_a_branch_leaves_nothing_behind_but_its_value():
    seen = []
    assert in_a_branch(lambda: (seen.append(1), len(seen))[1]) == 1
    assert seen == []


def test_a_branch_passes_errors_on_and_tells_of_its_death(capfd):
    def refuse():
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        in_a_branch(refuse)
    with pytest.raises(FencepostError, match="ended with 1"):
        in_a_branch(lambda: 1 // 0)
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_json_is_one_object_with_all_that_was_asked_for(fencepost):
    code, out, _ = fencepost(
        "compare", "--partitions", "20,10,20", "--what", "topic-create,failover", "--jobs", 1, "--json")
    data = json.loads(out)
    assert code == 0
    assert (data["partitions"], data["what"]) == ([10, 20], ["failover", "topic-create"])
    assert [(each["what"], each["mode"], each["partitions"]) for each in data["measured"]] == [
        (what, mode, count) for what in data["what"] for mode in ("zk", "kraft") for count in (10, 20)]
    assert {each["what"] for each in data["published"]} == {"failover", "topic-create"}
    assert all(each["value"] and each["source"] for each in data["assumed"])


def test_text_tells_the_figures_and_what_was_assumed_and_published(fencepost):
    code, out, _ = fencepost("compare", "--partitions", "10", "--what", "controlled-shutdown", "--jobs", 1)
    assert code == 0
    assert re.search(r"^ +10( +[\d.]+ m?s){4} *$", out, re.MULTILINE)
    for words in ("assumed", "published:", "session 18,000 ms", "█"):
        assert words in out


@pytest.mark.parametrize(("arguments", "words"), [
    (("--partitions", "0"), "from 1 to 1000000"), (("--partitions", "10,x"), "'x'"),
    (("--partitions", "1000001"), "from 1 to 1000000"), (("--partitions", ""), "from 1 to 1000000"),
    (("--what", "failover,nothing"), "'nothing': allowed are failover, topic-create"),
    (("--jobs", "0"), "jobs"), (("--plot", "figure.doc"), ".png or .svg"),
    (("--plot", "/nowhere/at/all/figure.png"), "the directory does not exist"),
])
def test_bad_arguments_are_one_line(fencepost, arguments, words):
    code, out, err = fencepost("compare", *arguments)
    assert (code, out, err.count("\n")) == (254, "", 1)
    assert words in err


def test_without_matplotlib_a_plot_is_refused_before_anything_is_measured(fencepost, monkeypatch, tmp_path):
    monkeypatch.setattr("fencepost.harness.compare.plot.find_spec", lambda name: None)
    code, out, err = fencepost("compare", "--plot", tmp_path / "figure.png")
    assert (code, out) == (254, "")
    assert "pip install 'fencepost[report]'" in err


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_plot_is_drawn(fencepost, tmp_path, suffix):
    pytest.importorskip("matplotlib")
    figure = tmp_path / f"figure.{suffix}"
    code, _, _ = fencepost("compare", "--partitions", "5,10", "--what", "broker-crash", "--jobs", 1, "--plot", figure)
    assert code == 0
    assert figure.stat().st_size > 1_000
