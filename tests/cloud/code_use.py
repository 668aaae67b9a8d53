"""What each deployable does to Google's services, read out of its code.

In: the modules of a room. Out: which methods of which store it calls, to which topics it publishes, which entry points
it has. From the room's own modules it goes on to what they import of ``shared``, function by function, so that what
another room alone uses is not counted.
"""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING, Final

from local.bundles import ROOT
from shared import messages

if TYPE_CHECKING:
    from pathlib import Path

#: Topics by the constants that name them.
TOPIC_CONSTANTS: Final = {
    name: (value,) for name, value in vars(messages).items() if name.isupper() and value in messages.TOPICS
} | {"TOPIC_OF_PRIORITY": tuple(messages.TOPIC_OF_PRIORITY.values())}


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _at_run_time(tree: ast.Module) -> list[ast.stmt]:
    """Without what is imported for types alone."""
    return [each for each in tree.body if not (isinstance(each, ast.If) and "TYPE_CHECKING" in ast.dump(each.test))]


def entry_points(main: Path) -> dict[str, str]:
    """Entry points of a function, and what each takes: ``http`` or ``cloud_event``."""
    return {
        each.name: decorator.attr
        for each in _tree(main).body
        if isinstance(each, ast.FunctionDef)
        for decorator in each.decorator_list
        if isinstance(decorator, ast.Attribute) and ast.unparse(decorator.value) == "functions_framework"
    }


@cache
def reached(room: Path) -> tuple[ast.AST, ...]:
    """All code of a room's own modules, and all code of ``shared`` that it leads to."""
    nodes: list[ast.AST] = []
    seen: set[tuple[str, str]] = set()
    todo: list[tuple[str, str]] = []
    for path in sorted(set(room.rglob("*.py")) - set(room.rglob("memory.py"))):  # doubles never run in the cloud
        body = _at_run_time(_tree(path))
        nodes += body
        todo += [name for each in body for name in _imported(each)]
    while todo:
        module, name = todo.pop()
        source = _path(module)
        if (module, name) in seen or source is None or module == "shared.messages":  # its constants name one another
            continue
        seen.add((module, name))
        imports, definitions = _names(source)
        if name in imports:  # handed on
            todo.append(imports[name])
        if name in definitions:
            node = definitions[name]
            nodes.append(node)
            used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            todo += [imports.get(one, (module, one)) for one in used]
            todo += _imported(node)
    return tuple(nodes)


@cache
def _names(path: Path) -> tuple[dict[str, tuple[str, str]], dict[str, ast.stmt]]:
    """Of a module: what it imports, as module and name, and what it defines."""
    body = _at_run_time(_tree(path))
    imports = {name: (module, name) for each in body for module, name in _imported(each)}
    return imports, {name: each for each in body for name in _defined(each)}


def _imported(node: ast.AST) -> list[tuple[str, str]]:
    found = [each for each in ast.walk(node) if isinstance(each, ast.ImportFrom)]
    return [(each.module or "", alias.name) for each in found for alias in each.names]


def _path(module: str) -> Path | None:
    if not module.startswith("shared"):
        return None
    place = ROOT.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {each.id for each in targets if isinstance(each, ast.Name)}


def calls_of(room: Path, store: str) -> set[str]:
    """Methods that a room calls of what it names ``store``, as ``artifacts.get(…)`` or ``self.artifacts.get(…)``."""
    return {
        node.func.attr
        for top in reached(room)
        for node in ast.walk(top)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value).split(".")[-1] == store
    }


def topics_of(room: Path) -> set[str]:
    """Topics that a room publishes to. Their names are nowhere else used than to publish."""
    return {
        topic
        for top in reached(room)
        for node in ast.walk(top)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        for topic in TOPIC_CONSTANTS.get(node.id, ())
    }


def uses(room: Path, name: str) -> bool:
    """Whether a room has that class or constant in its hands."""
    return any(isinstance(node, ast.Name) and node.id == name for top in reached(room) for node in ast.walk(top))
