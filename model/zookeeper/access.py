"""Access control lists: which are well formed, and whom they let do what (PrepRequestProcessor, ZooKeeperServer)."""

from fencepost.model.protocol.zookeeper import ADMIN, READ, Acl, Acls, Identity

WORLD = "world"
ANYONE = "anyone"
#: The schemes that authenticate somebody. `digest` ids are "user:hash".
SCHEMES = ("digest", "sasl")


def fix_up_acls(acls: Acls, identities: tuple[Identity, ...]) -> Acls | None:
    """The list as it is stored, `auth` replaced by the creator's identities; None when it is not valid."""
    fixed: list[Acl] = []
    for acl in dict.fromkeys(acls):
        if acl.scheme == WORLD and acl.id == ANYONE:
            fixed.append(acl)
        elif acl.scheme == "auth":
            own = [Acl(acl.permissions, scheme, id_) for scheme, id_ in identities if scheme in SCHEMES]
            if not own:
                return None
            fixed += own
        elif acl.scheme in SCHEMES and _is_valid_id(acl):
            fixed.append(acl)
        else:
            return None
    return tuple(fixed) or None


def is_allowed(acls: Acls, permission: int, identities: tuple[Identity, ...]) -> bool:
    """Whether somebody known as all of `identities` has the permission. An empty list allows everything."""
    if not acls:
        return True
    return any(
        acl.permissions & permission
        and ((acl.scheme == WORLD and acl.id == ANYONE) or (acl.scheme, acl.id) in identities)
        for acl in acls)


def visible_acls(acls: Acls, identities: tuple[Identity, ...]) -> Acls | None:
    """The list as somebody may see it, None if not at all: without ADMIN, passwords' hashes are hidden."""
    if not is_allowed(acls, READ | ADMIN, identities):
        return None
    if is_allowed(acls, ADMIN, identities):
        return acls
    return tuple(
        acl._replace(id=f"{acl.id.partition(':')[0]}:x") if acl.scheme == "digest" else acl for acl in acls)


def _is_valid_id(acl: Acl) -> bool:
    return bool(acl.id) and (acl.scheme != "digest" or acl.id.count(":") == 1)
