"""Which liveness rules a history is judged by: those of its mode."""

from typing import Any

from fencepost.checkers.liveness import Liveness
from fencepost.checkers.liveness_zookeeper import ZkLiveness
from fencepost.checkers.verdict import Checker


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header."""
    return [ZkLiveness(header) if header.get("mode") == "zk" else Liveness(header)]
