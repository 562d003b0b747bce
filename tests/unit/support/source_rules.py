"""What a file of the program may not do, read from its syntax tree: what imports do not show."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePath

SURROUNDINGS = frozenset({"environ", "getenv"})
FILES = frozenset({"open", "read_text", "read_bytes", "write_text", "write_bytes"})
PROCESSES = frozenset({"subprocess"})
FUNCTIONS = frozenset({"input", "exec", "eval"})
OUTSIDE = FUNCTIONS | {"os", "io", "pathlib", "socket", "config", "time"}
"""What components do not reach either: all that they depend on is handed in."""
DYNAMIC_BASES = frozenset({"ResourceProvider", "Handler"})
"""Who subclasses one of these runs in a process of its own, where no argument is handed in."""
EDGE_MODULES = frozenset(
    {
        "components/__init__.py",  # old states name modules, which are found by the path it adds
        "components/kubectl.py",
        "components/orphan.py",  # looks after the plugin's own process
        "components/confirmations.py",  # the environment, in the plugin and in the program
        # Written for a dynamic resource's process, and called from nowhere else.
        "components/handler.py",
    }
)
PROVIDERS_MODULE = "stack/providers.py"
MAXIMUM_LINES = 400


def breaches(path: str, source: str) -> list[str]:
    """Return the rules that a file breaks, each with its line.

    Args:
        path: of the file in the repository, which tells its room.
        source: its text.
    """
    tree = ast.parse(source)
    room = PurePath(path).parts[0]
    found = [f"line {line}: {what}" for line, what in _reached(tree) if what in _kept(room)]
    if path in EDGE_MODULES or _is_dynamic(tree):
        found = []
    if room != "stack":
        found += [f"line {line}: pulumi.Config" for line in _calls(tree, "pulumi", "Config")]
    if path != PROVIDERS_MODULE:
        lines = _calls(tree, "pulumi_kubernetes", "Provider")
        found += [f"line {line}: pulumi_kubernetes.Provider" for line in lines]
    if room in {"config", "stack", "components"}:
        found += [f"line {line}: import inside a function" for line in _late_imports(tree)]
    return found


def _kept(room: str) -> frozenset[str]:
    """Return what a room may not reach."""
    if room in {"stack", "ops"}:
        return frozenset()
    if room == "config":
        return SURROUNDINGS | PROCESSES
    if room == "components":
        return SURROUNDINGS | PROCESSES | FILES | OUTSIDE
    return SURROUNDINGS | PROCESSES | FILES


def _reached(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the built-in functions, the attributes and the packages that are named."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in FILES | FUNCTIONS:  # others may be handed in
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and node.attr not in OUTSIDE:
            yield node.lineno, node.attr
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, (node.module or "").partition(".")[0]
            yield from ((node.lineno, name.name) for name in node.names if name.name not in OUTSIDE)


def _is_dynamic(tree: ast.Module) -> bool:
    """Tell whether a class of the module runs as a dynamic resource."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    bases = [ast.unparse(base) for node in classes for base in node.bases]
    return any(base.rpartition(".")[2] in DYNAMIC_BASES for base in bases)


def _calls(tree: ast.Module, package: str, name: str) -> list[int]:
    """Return the lines that call something of a package, under whatever alias."""
    wanted = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted |= {f"{a.asname or a.name}.{name}" for a in node.names if a.name == package}
        elif isinstance(node, ast.ImportFrom) and node.module == package:
            wanted |= {a.asname or a.name for a in node.names if a.name == name}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if ast.unparse(call.func) in wanted]


def _late_imports(tree: ast.Module) -> list[int]:
    """Return the lines of imports inside a function."""
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return sorted(
        {
            node.lineno
            for function in functions
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
    )


def definitions(source: str) -> list[str]:
    """Return the functions and classes that a file defines, and its lambdas."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return [getattr(node, "name", "lambda") for node in nodes]
