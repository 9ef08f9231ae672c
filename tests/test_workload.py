"""The workload: a pure function of the seed, plain data, and what every run needs is in it."""

import json
from collections import Counter

from fencepost.harness.timing import Phases
from fencepost.harness.workload import PARTITIONS, TOPICS, draw_workload
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.randomness import Stream
from fencepost.model.shape import Shape

TIMES = Phases(1_800_000, 30_000_000, 48_000_000, 60_000_000)


def workload(seed: int, shape: Shape | None = None) -> list[dict[str, object]]:
    config = KafkaConfig(default_replication_factor=3)
    return draw_workload(Stream(seed, "workload"), shape or Shape(), config, TIMES, {"min.insync.replicas": "2"})


def test_the_same_seed_draws_the_same_and_it_is_plain_data() -> None:
    assert workload(1) == workload(1) != workload(2)
    assert json.loads(json.dumps(workload(1))) == workload(1)


def test_topics_are_created_first_with_what_the_user_set_for_them() -> None:
    created = workload(1)[:3]
    assert [operation["key"] for operation in created] == list(TOPICS)
    assert all(operation["configs"] == {"min.insync.replicas": "2"} for operation in created)
    assert all(operation["retry"] for operation in created)


def test_every_partition_and_group_is_read_at_the_end() -> None:
    final = [operation for operation in workload(1) if str(operation["f"]).startswith("final")]
    assert sorted((str(o["topic"]), o["partition"]) for o in final if o["f"] == "final-read") == sorted(
        (topic, index) for topic in TOPICS for index in range(PARTITIONS))
    assert [o["group"] for o in final if o["f"] == "final-offsets"] == ["billing", "reporting"]
    assert all(operation["at_us"] == TIMES.final_us for operation in final)


def test_the_load_is_about_twenty_operations_a_second_until_the_heal_and_half_of_it_then() -> None:
    times = [int(str(operation["at_us"])) for seed in range(10) for operation in workload(seed)]
    before = sum(2_000_000 <= at_us < 30_000_000 for at_us in times) / 10 / 28
    after = sum(30_000_000 <= at_us < 48_000_000 for at_us in times) / 10 / 18
    assert 18 <= before <= 22
    assert 9 <= after <= 11


def test_all_kinds_of_operations_are_drawn_and_clients_exist() -> None:
    counts = Counter(str(operation["f"]) for seed in range(10) for operation in workload(seed))
    assert counts["produce"] > counts["poll"] > counts["commit-offsets"] > counts["reassign"] > 0
    small = workload(1, Shape(1, 1, 1))
    assert {operation["client"] for operation in small} == {0}
    assert all(len(o["replicas"]) == 1 for o in small if o["f"] == "reassign")  # type: ignore[arg-type]


def test_nothing_moves_replicas_or_takes_rights_away_after_the_heal() -> None:
    late = {o["f"] for seed in range(20) for o in workload(seed) if int(str(o["at_us"])) >= TIMES.heal_us}
    assert not late & {"reassign", "elect-leader", "create-acl", "delete-topic", "create-topic", "alter-config"}
