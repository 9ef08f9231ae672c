"""The workload: a pure function of the seed, plain data, what every run needs, and what is rare made common."""

import json
from collections import Counter
from itertools import pairwise
from typing import Any

from fencepost.harness.spec import check_workload
from fencepost.harness.timing import Phases
from fencepost.harness.workload import EXTRA_TOPICS, PARTITIONS, TOPICS, draw_workload
from fencepost.histories.vocabulary import OPERATIONS
from fencepost.model.config import ClientConfig, KafkaConfig
from fencepost.model.kernel.randomness import Stream
from fencepost.model.shape import Shape

TIMES = Phases(1_800_000, 30_000_000, 48_000_000, 60_000_000)
SESSION_US = 3_000_000


def workload(seed: int, shape: Shape | None = None) -> list[dict[str, Any]]:
    kafka, client = KafkaConfig(default_replication_factor=3), ClientConfig(session_timeout_us=SESSION_US)
    return draw_workload(
        Stream(seed, "workload"), shape or Shape(), kafka, client, TIMES, {"min.insync.replicas": "2"})


def drawn(seeds: int = 20) -> list[dict[str, Any]]:
    return [operation for seed in range(seeds) for operation in workload(seed)]


def test_the_same_seed_draws_the_same_and_it_is_plain_data() -> None:
    assert workload(1) == workload(1) != workload(2)
    assert json.loads(json.dumps(workload(1))) == workload(1)


def test_operations_are_known_ones_in_the_order_of_their_times() -> None:
    for shape in (Shape(), Shape(1, 1, 1), Shape(3, 5, 9)):
        operations = workload(3, shape)
        check_workload(operations, shape.clients, "workload")
        assert [o["at_us"] for o in operations] == sorted(o["at_us"] for o in operations)
    # Only the nemesis' operators unregister brokers.
    assert {o["f"] for o in drawn()} == set(OPERATIONS) - {"unregister-broker"}


def test_topics_and_what_opens_them_are_created_first_with_what_the_user_set() -> None:
    prepared = workload(1)[:5]
    assert [o["key"] for o in prepared] == [*TOPICS, "topic:clicks", "group:reporting"]
    assert all(o["configs"] == {"min.insync.replicas": "2"} for o in prepared[:3])
    assert all((o["principal"], o["permission"]) == ("User:*", "ALLOW") for o in prepared[3:])
    assert all(o["retry"] and o["client"] == 0 for o in prepared)


def test_every_partition_and_group_is_read_at_the_end() -> None:
    final = [o for o in workload(1) if o["f"].startswith("final")]
    assert sorted((o["topic"], o["partition"]) for o in final if o["f"] == "final-read") == sorted(
        (topic, index) for topic in (*TOPICS, *EXTRA_TOPICS) for index in range(PARTITIONS))
    assert [o["group"] for o in final if o["f"] == "final-offsets"] == ["billing", "reporting"]
    assert all(o["at_us"] == TIMES.final_us for o in final)
    assert workload(1)[-len(final):] == final


def test_every_partition_is_written_late_in_the_quiet_phase_by_a_producer_that_retries() -> None:
    late_us = (TIMES.heal_us + TIMES.final_us) // 2
    written = {(o["topic"], o["partition"]) for o in workload(1)
               if o["f"] == "produce" and o["at_us"] > late_us and o["acks"] == -1 and o["idempotent"]}
    assert written == {(topic, index) for topic in TOPICS for index in range(PARTITIONS)}


def test_the_load_is_about_twenty_operations_a_second_until_the_heal_and_half_of_it_then() -> None:
    times = [o["at_us"] for o in drawn(10)]
    before = sum(2_000_000 <= at_us < 30_000_000 for at_us in times) / 10 / 28
    after = sum(31_000_000 <= at_us < 48_000_000 for at_us in times) / 10 / 17
    assert 18 <= before <= 22
    assert 9 <= after <= 11


def test_most_of_it_is_producing_with_all_acks_then_polling_and_committing() -> None:
    operations = drawn(10)
    counts = Counter(o["f"] for o in operations)
    assert counts["produce"] > counts["poll"] > counts["commit-offsets"] > counts["reassign"] > 0
    acks = Counter(o["acks"] for o in operations if o["f"] == "produce")
    assert acks[-1] > 3 * (acks[0] + acks[1]) > 0
    assert all(o["acks"] == -1 for o in operations if o.get("idempotent"))
    assert any(o.get("idempotent") for o in operations)


def test_a_small_cluster_has_a_workload_too() -> None:
    small = workload(1, Shape(1, 1, 1))
    assert {o["client"] for o in small} == {0}
    assert all(len(o["replicas"]) == 1 for o in small if o["f"] == "reassign")


def test_nothing_moves_replicas_or_takes_rights_away_after_the_heal() -> None:
    late = {o["f"] for o in drawn() if o["at_us"] >= TIMES.heal_us + 1_000_000}
    assert not late & {"reassign", "elect-leader", "create-acl", "delete-topic", "create-topic", "alter-config"}
    assert all(o["topic"] in TOPICS for o in drawn() if o["f"] == "produce" and o["at_us"] >= TIMES.heal_us)


# --- episodes ---------------------------------------------------------------------------------------------------------


def test_slow_consumers_commit_right_after_they_were_busy_past_their_session() -> None:
    slow = 0
    for seed in range(20):
        by_client: dict[int, list[dict[str, Any]]] = {}
        for operation in workload(seed):
            by_client.setdefault(operation["client"], []).append(operation)
        for operations in by_client.values():
            for poll, then in pairwise(operations):
                if "busy_us" in poll:
                    slow += 1
                    assert (poll["f"], then["f"], then["group"]) == ("poll", "commit-offsets", poll["group"])
                    assert SESSION_US < poll["busy_us"] < TIMES.heal_us - poll["at_us"]
    assert slow > 20


def test_no_client_is_kept_busy_past_the_heal_where_sessions_are_long() -> None:
    operations = draw_workload(
        Stream(1, "workload"), Shape(), KafkaConfig(), ClientConfig(session_timeout_us=45_000_000), TIMES, {})
    assert not any("busy_us" in o for o in operations)


def test_static_instances_are_taken_over_while_their_owners_commit() -> None:
    pollers = Counter((o["instance"], o["client"]) for o in drawn() if o["f"] == "poll" and o["instance"])
    strangers = sum(count for (instance, client), count in pollers.items() if instance != f"instance-{client}")
    assert 20 < strangers < sum(pollers.values()) / 4


def test_consumers_restart_in_order_and_by_a_crash() -> None:
    restarts = Counter(o.get("restart") for o in drawn() if o["f"] == "poll")
    assert min(restarts["leave"], restarts["crash"]) > 20


def test_extra_topics_come_back_under_their_names_and_the_main_ones_stay() -> None:
    again = 0
    for seed in range(20):
        deleted: dict[str, int] = {}
        for operation in workload(seed):
            if operation["f"] == "delete-topic":
                assert operation["key"] in EXTRA_TOPICS
                deleted[operation["key"]] = operation["at_us"]
            elif operation["f"] == "create-topic" and operation["key"] in deleted:
                again += operation["at_us"] - deleted[operation["key"]] <= 200_000
    assert again > 20
    assert any(o["f"] == "produce" and o["topic"] in EXTRA_TOPICS for o in drawn())


def test_denials_single_clients_out_and_are_taken_back_by_the_heal() -> None:
    for seed in range(20):
        standing: Counter[tuple[str, str, str]] = Counter()
        for operation in workload(seed):
            if operation["f"] in ("create-acl", "delete-acl") and operation["permission"] == "DENY":
                assert operation["principal"].startswith("User:client")
                acl = (operation["key"], operation["principal"], operation["operation"])
                standing[acl] += 1 if operation["f"] == "create-acl" else -1
        assert not +standing
