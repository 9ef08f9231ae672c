"""AclEnforced: a broker decides by the ACLs that it has applied.

Each decision (`authorised`) says up to which metadata offset the broker's image went. The ACLs at that offset are known
from the committed records, and so is what they say: a matching DENY wins; otherwise the request is allowed iff an ALLOW
matches. An ACL matches by resource (its name or "*"), principal (or "User:*") and operation (or ALL); READ, WRITE,
DELETE and ALTER allow DESCRIBE as well. A broker that has not yet applied an ACL need not follow it.

Example: the denial of WRITE on orders for User:client2 is committed at offset 40; broker 11, which has applied offset
45, lets User:client2 write to orders.

Decisions at offsets that no controller was yet seen to apply wait until one is. Resources without any ACL are left out:
what then counts is a setting (allow.everyone.if.no.acl.found).
"""

from bisect import bisect_left
from typing import Any

from fencepost.checkers.verdict import Checker, Findings, Result, seconds
from fencepost.histories.event import Event

RULE = "AclEnforced"

#: Operations whose permission includes DESCRIBE.
IMPLY_DESCRIBE = frozenset({"READ", "WRITE", "DELETE", "ALTER", "DESCRIBE", "ALL"})

#: principal, operation, permission, resource type, resource name
Acl = tuple[str, str, str, str, str]


class AclEnforced(Findings):
    """Checks the rule; work per decision is that of the ACLs of its resource."""

    name = "authorisation"
    needs = frozenset({"authorised", "metadata-applied"})
    consumes = frozenset({"authorised", "metadata-applied"})

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        self._folded_end = 0
        #: offsets of the changes, and by each change: the ACLs from there on -> event of the record
        self._offsets: list[int] = []
        self._states: list[dict[Acl, int]] = []
        self._waiting: list[Event] = []

    def feed(self, event: Event) -> None:
        """Take the next event."""
        if event.f == "authorised":
            if event.value["metadata_offset"] <= self._folded_end:
                self._judge(event)
            else:
                self._waiting.append(event)
        elif event.value["role"] == "controller":
            self._fold(event)

    def finish(self) -> Result:
        """Judge what still waits: nothing but NoOp records can lie between."""
        for event in self._waiting:
            self._judge(event)
        self._waiting.clear()
        return super().finish()

    # --- the committed ACLs -----------------------------------------------------------------------------------------

    def _fold(self, event: Event) -> None:
        for offset, kind, fields in event.value.get("records") or ():
            if offset >= self._folded_end and kind in ("AccessControlEntryRecord", "RemoveAccessControlEntryRecord"):
                acl: Acl = (
                    fields["principal"], fields["operation"], fields["permission"], fields["resource_type"],
                    fields["resource_name"])
                state = dict(self._states[-1]) if self._states else {}
                if kind == "AccessControlEntryRecord":
                    state[acl] = event.index
                else:
                    state.pop(acl, None)
                self._offsets.append(offset)
                self._states.append(state)
        if event.value["end_offset"] > self._folded_end:
            self._folded_end = event.value["end_offset"]
            waiting, self._waiting = self._waiting, []
            for decision in waiting:
                self.feed(decision)

    # --- decisions --------------------------------------------------------------------------------------------------

    def _judge(self, event: Event) -> None:
        value = event.value
        changes = bisect_left(self._offsets, value["metadata_offset"])
        if changes == 0 or event.key is None:
            return
        resource_type, _, name = event.key.partition(":")
        acls = {
            acl: index for acl, index in self._states[changes - 1].items()
            if acl[3] == resource_type and acl[4] in (name, "*")
        }
        if not acls:
            return
        principal, operation, allowed = value["principal"], value["operation"], value["allowed"]
        expected, deciding = decide(list(acls), principal, operation)
        if allowed == expected:
            return
        why = "no ACL allows it"
        if deciding is not None:
            why = f"the ACL {' '.join(deciding)} (event {acls[deciding]}) decides"
        self.violate(
            RULE,
            f"At {seconds(event.time_us)} broker {event.node} {'allowed' if allowed else 'refused'} {principal} the "
            f"operation {operation} on {event.key}. It had applied the metadata up to offset "
            f"{value['metadata_offset']}, by which {why}: it must be {'allowed' if expected else 'refused'}.",
            event, () if deciding is None else (acls[deciding],))


def decide(acls: list[Acl], principal: str, operation: str) -> tuple[bool, Acl | None]:
    """What the ACLs of a resource say of a request, and which of them decides (None: that none allows it)."""
    mine = [acl for acl in acls if acl[0] in (principal, "User:*")]
    for acl in mine:
        if acl[2] == "DENY" and acl[1] in (operation, "ALL"):
            return False, acl
    allowing = IMPLY_DESCRIBE if operation == "DESCRIBE" else frozenset({operation, "ALL"})
    for acl in mine:
        if acl[2] == "ALLOW" and acl[1] in allowing:
            return True, acl
    return False, None


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header."""
    return [AclEnforced(header)]
