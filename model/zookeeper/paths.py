"""Paths of znodes (org.apache.zookeeper.common.PathUtils)."""

#: Nodes that every tree has and nobody may delete.
SPECIAL_PATHS = ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config")


def is_valid_path(path: str) -> bool:
    """Absolute, without empty or relative components or control characters, and not ending in a slash."""
    if path == "/":
        return True
    if not path.startswith("/") or path.endswith("/"):
        return False
    if any(component in ("", ".", "..") for component in path.split("/")[1:]):
        return False
    return all(character >= " " and not "\x7f" <= character <= "\x9f" for character in path)


def parent_of(path: str) -> str:
    """The parent's path; that of a child of the root is "/", and that of "/" the root again."""
    return path[: path.rfind("/")] or "/"


def name_of(path: str) -> str:
    """The last component."""
    return path[path.rfind("/") + 1:]


def in_chroot(chroot: str, path: str) -> str:
    """A client's path as the server knows it. `chroot` is "" or begins and does not end with a slash."""
    if not chroot:
        return path
    return chroot if path == "/" else chroot + path


def out_of_chroot(chroot: str, path: str) -> str:
    """A server's path as the client knows it."""
    return path[len(chroot):] or "/"
