"""A lint for code that must behave alike in every process: no clock, no global randomness, no order of a set.

Reported in the named folders:
- imports of `time`, `datetime`, `random`, `secrets`, `uuid`, `threading` and `asyncio`, except in the files of ALLOWED;
- calls of `id`, `hash`, `os.urandom` and `os.getpid`;
- anything that depends on the order of a set: a loop or comprehension over it, `list`, `tuple`, `enumerate`, `iter`,
  `next`, `join` or a star on it, and its `pop`. What counts as a set: a display, a comprehension, a call of `set` or
  `frozenset`, an operation of one of these, and a name or attribute that the same file annotates or assigns as one.

`sorted`, `min`, `max`, `sum`, `len`, `any`, `all` and membership do not depend on the order and pass.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FORBIDDEN_MODULES = ("time", "datetime", "random", "secrets", "uuid", "threading", "asyncio")
ALLOWED = {"model/kernel/randomness.py": ("random",)}
FORBIDDEN_CALLS = ("id", "hash")
FORBIDDEN_ATTRIBUTES = ("os.urandom", "os.getpid")
ORDERED_BY_CALL = ("list", "tuple", "enumerate", "iter", "next", "map", "filter", "zip", "reversed", "dict")
_SET_NAMES = ("set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet")
_SET_METHODS = ("union", "intersection", "difference", "symmetric_difference", "copy")
#: Where a generator over a set may stand: the result has no order.
_ORDER_FREE = ("sorted", "min", "max", "sum", "len", "any", "all", "set", "frozenset")


class Lint(ast.NodeVisitor):
    """Collects the findings of one file as (line, words)."""

    def __init__(self, tree: ast.Module, allowed: tuple[str, ...]) -> None:
        self.findings: list[tuple[int, str]] = []
        self._allowed = allowed
        self._sets = set(_names_of_sets(tree))
        self._order_free: list[ast.AST] = []

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._check_module(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._check_module(node, node.module or "")

    def _check_module(self, node: ast.AST, name: str) -> None:
        module = name.partition(".")[0]
        if module in FORBIDDEN_MODULES and module not in self._allowed:
            self._report(node, f"import of {module}")

    def visit_For(self, node: ast.For) -> None:
        self._check_order(node.iter, "a loop over a set")
        self.generic_visit(node)

    def _visit_comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.DictComp) -> None:
        if node not in self._order_free:
            for generator in node.generators:
                self._check_order(generator.iter, "a comprehension over a set")
        self.generic_visit(node)

    visit_ListComp = visit_GeneratorExp = visit_DictComp = _visit_comprehension

    def visit_Starred(self, node: ast.Starred) -> None:
        if node not in self._order_free:
            self._check_order(node.value, "a star on a set")
        self.generic_visit(node)

    def visit_Set(self, node: ast.Set) -> None:
        self._order_free += [element for element in node.elts if isinstance(element, ast.Starred)]
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = ast.unparse(node.func)
        if name in FORBIDDEN_CALLS or name in FORBIDDEN_ATTRIBUTES:
            self._report(node, f"call of {name}")
        if name in _ORDER_FREE:
            self._order_free += node.args
        elif name in ORDERED_BY_CALL or name.endswith(".join"):
            for argument in node.args:
                self._check_order(argument, f"{name} of a set")
        elif name.endswith(".pop") and not node.args and isinstance(node.func, ast.Attribute):
            self._check_order(node.func.value, "pop of a set")
        self.generic_visit(node)

    def _check_order(self, node: ast.expr, words: str) -> None:
        if self._is_set(node):
            self._report(node, words)

    def _is_set(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.Name | ast.Attribute):
            return _last_name(node) in self._sets
        if isinstance(node, ast.BinOp):
            operators = ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor
            return isinstance(node.op, operators) and (self._is_set(node.left) or self._is_set(node.right))
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                return node.func.id in _SET_NAMES
            method = node.func
            return isinstance(method, ast.Attribute) and method.attr in _SET_METHODS and self._is_set(method.value)
        return False

    def _report(self, node: ast.AST, words: str) -> None:
        self.findings.append((getattr(node, "lineno", 0), words))


def _names_of_sets(tree: ast.Module) -> Iterator[str]:
    """Names and attributes that the file annotates or assigns as a set, unless it also uses them for something else."""
    as_set: dict[str, bool] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            _note(as_set, node.target, _is_set_annotation(node.annotation))
        elif isinstance(node, ast.arg) and node.annotation is not None:
            as_set[node.arg] = as_set.get(node.arg, True) and _is_set_annotation(node.annotation)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                _note(as_set, target, _is_plain_set(node.value))
    return (name for name, only_set in as_set.items() if only_set)


def _note(as_set: dict[str, bool], target: ast.expr, is_set: bool) -> None:
    if isinstance(target, ast.Name | ast.Attribute):
        name = _last_name(target)
        as_set[name] = as_set.get(name, True) and is_set


def _is_set_annotation(annotation: ast.expr) -> bool:
    base = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return isinstance(base, ast.Name | ast.Attribute) and _last_name(base) in _SET_NAMES


def _is_plain_set(value: ast.expr) -> bool:
    call = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in _SET_NAMES
    return call or isinstance(value, ast.Set | ast.SetComp)


def _last_name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def lint_source(source: str, name: str) -> list[str]:
    """The findings in a source text, each in a line."""
    tree = ast.parse(source)
    lint = Lint(tree, ALLOWED.get(name, ()))
    lint.visit(tree)
    return [f"{name}:{line}: {words}" for line, words in sorted(set(lint.findings))]


def lint_folders(root: Path, folders: list[str]) -> list[str]:
    """The findings in every Python file of the folders."""
    files = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
    assert files, f"no Python files in {', '.join(folders)}"
    return [
        finding for path in files
        for finding in lint_source(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())]


if __name__ == "__main__":
    found = lint_folders(Path.cwd(), sys.argv[1:])
    print("\n".join(found) or "determinism: nothing found")
    sys.exit(bool(found))
