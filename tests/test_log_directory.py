"""The directory of replicas' logs: found by topic-partition, those from before the process and those opened later."""

from kernel_nodes import two_nodes

from fencepost.model.broker.log_directory import LogDirectory
from fencepost.model.kernel.node import Node


def node_with_logs(*names: str) -> Node:
    _, _, node, _ = two_nodes()
    for name in names:
        node.disk.log(name)
    node.disk.log("__cluster_metadata-0")
    node.disk.cell("leader-epoch-checkpoint/orders-0/a", ())
    return node


def test_the_logs_on_the_disk_are_found_and_nothing_else() -> None:
    directory = LogDirectory(node_with_logs("orders-1/b", "orders-0/a", "orders-10/a"))
    assert directory.names() == ["orders-0/a", "orders-1/b", "orders-10/a"]
    assert directory.topic_id("orders-1") == "b"
    assert directory.topic_id("orders-2") is None


def test_of_two_logs_of_one_name_the_first_id_counts_until_it_is_deleted() -> None:
    directory = LogDirectory(node_with_logs("orders-0/b", "orders-0/a"))
    assert directory.topic_id("orders-0") == "a"
    directory.delete("orders-0/a")
    assert directory.topic_id("orders-0") == "b"
    directory.delete("orders-0/b")
    assert directory.topic_id("orders-0") is None
    assert directory.names() == []


def test_a_log_that_is_opened_later_is_known_and_on_the_disk() -> None:
    node = node_with_logs()
    directory = LogDirectory(node)
    assert directory.names() == []
    assert directory.open("orders-0", "a").name == "orders-0/a"
    assert directory.topic_id("orders-0") == "a"
    assert LogDirectory(node).names() == ["orders-0/a"]
    directory.delete("orders-0/a")
    assert LogDirectory(node).names() == []
