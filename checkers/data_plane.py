"""The checkers of partitions and consumer offsets, all on one ledger."""

from typing import Any

from fencepost.checkers.client_logs import ClientLogs
from fencepost.checkers.committed_offsets import CommittedOffsets
from fencepost.checkers.committed_records import CommittedRecords
from fencepost.checkers.consistent_read import ConsistentRead
from fencepost.checkers.isr_membership import IsrMembership
from fencepost.checkers.ledger import Ledger
from fencepost.checkers.replication import Replication
from fencepost.checkers.verdict import Checker


def build(header: dict[str, Any]) -> list[Checker]:
    """The checkers in the order in which they are to be fed: the first one feeds the ledger and judges losses."""
    ledger = Ledger(header)
    return [
        CommittedRecords(header, ledger), ConsistentRead(header, ledger), Replication(header, ledger),
        IsrMembership(header, ledger), CommittedOffsets(header, ledger), ClientLogs(header, ledger),
    ]
