"""Worker pools and campaigns, with tasks that need no cluster: deaths, interrupts, refusals, and what they sum to."""

import json
import signal
from dataclasses import replace

import pool_tasks
import pytest

from fencepost.harness import campaign as campaigns
from fencepost.harness.campaign import Campaign, Order, SeedOutcome, run_campaign
from fencepost.harness.cli import campaign_output
from fencepost.harness.pool import Pool
from fencepost.harness.spec import RunSpec
from fencepost.histories.errors import FencepostError, InputError, StoreError
from fencepost.nemesis.faults import kinds_of


def outcomes(pool: Pool, items: list[int]) -> dict[int, object]:
    return {outcome.item: outcome.death or outcome.error or outcome.value for outcome in pool.run(iter(items))}


# --- the pool ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_item_gets_its_value(jobs):
    assert outcomes(Pool(jobs, pool_tasks.square), list(range(6))) == {n: n * n for n in range(6)}


def test_a_pool_without_items():
    assert outcomes(Pool(2, pool_tasks.square), []) == {}


def test_parts_of_an_item_come_in_order_before_its_value():
    outcomes = list(Pool(2, pool_tasks.count_up).run(iter([3, 2])))
    for number in (3, 2):
        mine = [(outcome.value, outcome.is_part) for outcome in outcomes if outcome.item == number]
        assert mine == [*((each, True) for each in range(number)), (f"counted to {number}", False)]


def test_outside_of_a_worker_a_report_goes_nowhere():
    assert pool_tasks.count_up(2) == "counted to 2"


def test_a_death_is_told_and_the_others_go_on():
    pool = Pool(2, pool_tasks.square)
    found = outcomes(pool, [1, 13, 2, 17, 3])
    assert found == {1: 1, 13: "killed by SIGKILL", 2: 4, 17: "exit code 3", 3: 9}
    assert pool.deaths == 2


def test_an_error_of_ours_comes_back():
    found = outcomes(Pool(1, pool_tasks.square), [19, 2])
    assert isinstance(found[19], InputError)
    assert found[2] == 4


def test_nothing_but_deaths_ends_the_pool():
    with pytest.raises(FencepostError, match="5 worker processes died one after the other"):
        outcomes(Pool(1, pool_tasks.square), [13] * 9)


# --- campaigns --------------------------------------------------------------------------------------------------------


@pytest.fixture
def order(tmp_path, monkeypatch):
    monkeypatch.setattr(campaigns, "run_seed", pool_tasks.fake_seed)
    return Order(RunSpec(seed=0), first=1, seeds=4, jobs=2, store=tmp_path / "store")


def quiet(campaign: Campaign) -> None:
    """Progress that nobody watches."""


def test_a_clean_campaign_is_valid(order):
    seen = []
    campaign = run_campaign(order, lambda now: seen.append(len(now.outcomes)))
    assert campaign.verdict == "valid"
    assert seen == [1, 2, 3, 4]
    assert [outcome.seed for outcome in campaign.sorted_outcomes()] == [1, 2, 3, 4]
    assert campaign.coverage().faults == {"pause": 10}
    assert list(campaign.excused_by_reason()) == ["last-replica-standing"]


def test_the_number_of_workers_changes_nothing(order):
    digests = {run_campaign(replace(order, jobs=jobs), quiet).digest for jobs in (1, 3)}
    assert len(digests) == 1


def test_failures_are_grouped_by_rule(order):
    campaign = run_campaign(replace(order, first=6, seeds=17), quiet)
    assert campaign.verdict == "invalid"
    assert {rule: [outcome.seed for outcome in failing] for rule, failing in campaign.failures_by_rule().items()} == {
        "ElectionSafety": [7, 14], "WeakIsr": [21]}


@pytest.mark.parametrize("jobs", [1, 4])
def test_until_failure_ends_at_the_lowest_failing_seed(order, jobs):
    campaign = run_campaign(replace(order, first=6, seeds=1000, jobs=jobs, until_failure=True), quiet)
    assert [outcome.seed for outcome in campaign.sorted_outcomes()] == [6, 7]
    assert campaign.stopped == "a failure was found"


def test_a_hunt_goes_on_until_a_rule_that_must_catch_the_bug_does(order):
    hunt = replace(order, first=6, seeds=1000, jobs=2, until_failure=True, sought=("WeakIsr",))
    campaign = run_campaign(hunt, quiet)
    assert {rule: [outcome.seed for outcome in failing] for rule, failing in campaign.failures_by_rule().items()} == {
        "ElectionSafety": [7, 14], "WeakIsr": [21]}
    assert campaign.stopped == "seed 21 broke WeakIsr"


def test_the_seed_that_broke_what_is_sought_is_told_in_full(order, capsys):
    campaign = run_campaign(replace(order, first=6, seeds=12, sought=("WeakIsr",)), quiet)
    late = replace(campaign.outcomes[14], violations=[*campaign.outcomes[14].violations, {
        **campaign.outcomes[14].violations[0], "rule": "WeakIsr"}])
    campaign.outcomes[14] = late
    campaign_output.print_campaign(campaign)
    text = capsys.readouterr().out
    assert "INVALID  ElectionSafety  2 seeds\n  ElectionSafety at 1.500 s\n    seed 14 is bad\n" in text
    assert "    it then broke  LogMatching, WeakIsr\n  seed 14   replay" in text


def test_a_hunt_that_catches_nothing_says_so(order, capsys):
    campaign = run_campaign(replace(order, first=6, seeds=3, until_failure=True, sought=("WeakIsr",)), quiet)
    assert (campaign.verdict, campaign.found(), campaign.stopped) == ("invalid", [], None)
    campaign_output.print_campaign(campaign)
    assert "not caught: no seed broke any of WeakIsr\n" in capsys.readouterr().out


def test_a_dead_worker_makes_its_seed_unknown(order):
    campaign = run_campaign(replace(order, first=4, seeds=3), quiet)
    assert campaign.verdict == "unknown"
    assert campaign.outcomes[5].trouble == "its worker process died (killed by SIGKILL)"
    assert campaign.outcomes[6].verdict == "valid"
    assert campaign.deaths == 1


@pytest.fixture
def heeds_ctrl_c():
    """Ctrl-C interrupts, also where the tests were started in the background, which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_ends_with_what_there_is(order, monkeypatch):
    monkeypatch.setattr(campaigns, "run_seed", pool_tasks.interrupted_seed)
    campaign = run_campaign(replace(order, seeds=100_000, jobs=1), quiet)
    assert campaign.interrupted
    assert {1, 2} <= campaign.outcomes.keys()
    assert len(campaign.outcomes) < 100_000
    assert campaign.verdict == "unknown"


def test_the_summary_holds_every_seed(order):
    campaign = run_campaign(order, quiet)
    summary = json.loads(campaigns.summary_path(order).read_text())
    assert [seed["seed"] for seed in summary["seeds"]] == [1, 2, 3, 4]
    assert summary["digest"] == campaign.digest
    assert summary["seeds"][0]["coverage"]["faults"] == {"pause": 1}
    assert [path.name for path in order.store.iterdir()] == [campaigns.summary_path(order).name]


def test_a_store_that_cannot_be_written_is_refused_at_once(order):
    order.store.write_text("a file")
    with pytest.raises(StoreError, match="the store cannot be written"):
        run_campaign(order, quiet)


# --- what is printed --------------------------------------------------------------------------------------------------


def test_the_text_of_a_campaign(order, capsys):
    campaign = run_campaign(replace(order, first=4, seeds=20), quiet)
    campaign_output.print_campaign(campaign)
    text = capsys.readouterr().out
    assert "kraft  3 controllers, 3 brokers, 30 s each   20/20 seeds" in text
    assert "valid 16   invalid 3   unknown 1   excused 1" in text
    assert "excused  1 x last-replica-standing\n           seed 4: 1 record\n" in text
    assert "INVALID  ElectionSafety  2 seeds" in text
    assert "    seed 7 is bad\n    because  broker 1 was paused\n    it then broke  LogMatching\n" in text
    replay = "fencepost replay store/kraft-7"
    assert f"seed 7   replay  {replay}   explain  {replay} --at violation" in text
    assert "seed 14   replay  fencepost replay store/kraft-14\n" in text
    assert "UNKNOWN  seed 5: its worker process died (killed by SIGKILL)" in text
    assert "replay  fencepost run --mode kraft --seed 5\n" in text
    assert "1 worker died; new ones took over" in text
    assert f"1 of {len(kinds_of('kraft'))} fault kinds, 19 controller fail-overs" in text


def test_the_json_of_a_campaign(order, capsys):
    campaign = run_campaign(replace(order, first=6, seeds=3), quiet)
    campaign_output.print_json(campaign, {})
    data = json.loads(capsys.readouterr().out)
    assert data["verdict"] == "invalid"
    assert data["digest"] == campaign.digest
    assert data["counts"] == {"valid": 2, "invalid": 1, "unknown": 0}
    assert [(violation["seed"], violation["rule"]) for violation in data["violations"]] == [
        (7, "ElectionSafety"), (7, "LogMatching")]
    assert data["excused"] == []
    assert (data["sought"], data["found"]) == ([], [7])
    assert data["failures"] == [
        {"rule": "ElectionSafety", "seeds": [7], "replay": "fencepost replay store/kraft-7"}]
    assert set(data["never"]["faults"]) == {*kinds_of("kraft")} - {"pause"}
    assert "REQUEST_TIMED_OUT" in data["never"]["errors"]
    assert "leader-start" in data["never"]["branches"]


def test_without_a_terminal_progress_is_plain(order, capsys, monkeypatch):
    monkeypatch.setattr(campaign_output, "PLAIN_INTERVAL", 0.0)
    campaign = Campaign(order, {1: SeedOutcome(1, "valid"), 2: SeedOutcome(2, "unknown")})
    with campaign_output.progress(order, as_json=False) as show:
        show(campaign)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "2/4 seeds" in captured.err
    assert "valid 1   invalid 0   unknown 1   excused 0" in captured.err
    assert "\x1b" not in captured.err
