"""The modules of the package as syntax trees: their functions, constants, imports and calls."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import vestnik

PACKAGE = Path(vestnik.__file__).parent

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    path: str
    tree: ast.Module
    functions: Mapping[str, Function]
    classes: Mapping[str, ast.ClassDef]
    constants: Mapping[str, ast.expr]
    imports: Mapping[str, tuple[str, str]]
    """Of names of ours: the path of the module and the name there."""


def read_package() -> dict[str, Module]:
    """All modules, by their paths."""
    return {module.path: module for module in map(read_module, sorted(PACKAGE.rglob("*.py")))}


def read_module(path: Path) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {
        node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    constants: dict[str, ast.expr] = {}
    imports: dict[str, tuple[str, str]] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                constants[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                constants[name] = value
            case ast.ImportFrom(module=str(source)) if source.startswith("vestnik"):
                where = "/".join(source.split(".")[1:]) + ".py"
                imports.update({alias.asname or alias.name: (where, alias.name) for alias in node.names})
            case _:
                pass
    relative = path.relative_to(PACKAGE).as_posix()
    return Module(
        path=relative, tree=tree, functions=functions, classes=classes, constants=constants, imports=imports
    )


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def find_argument(call: ast.Call, keyword: str, position: int | None) -> ast.expr | None:
    for given in call.keywords:
        if given.arg == keyword:
            return given.value
    return call.args[position] if position is not None and len(call.args) > position else None


def list_parameters(function: Function) -> list[str]:
    arguments = function.args
    return [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def bind(call: ast.Call, function: Function) -> Iterator[tuple[str, ast.expr | None]]:
    """Each parameter with what a call gives for it, or its default."""
    arguments = function.args
    placed = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    if placed[:1] in (["self"], ["cls"]):
        placed = placed[1:]
    given: dict[str, ast.expr | None] = dict.fromkeys(list_parameters(function))
    given.update(zip(reversed(placed), reversed(arguments.defaults), strict=False))
    given.update(
        {each.arg: value for each, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)}
    )
    given.update(zip(placed, call.args, strict=False))
    given.update({keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None})
    yield from given.items()


def find_assignments(function: Function, name: str) -> list[ast.stmt] | None:
    """None for a name that is not assigned here; a value, as of a loop, is an assignment of nothing known."""
    found: list[ast.stmt] = []
    for node in walk_own(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)]) if target == name:
                found.append(node)
            case ast.AugAssign(target=ast.Name(id=target)) if target == name:
                found.append(node)
            case ast.AnnAssign(target=ast.Name(id=target)) if target == name:
                found.append(node)
            case ast.Name(id=target, ctx=ast.Store()) if target == name:
                is_known = any(
                    node in (getattr(item, "targets", None) or [getattr(item, "target", None)])
                    for item in found
                )
                if not is_known:
                    found.append(ast.AnnAssign(target=node, annotation=node, value=None, simple=1))
            case _:
                pass
    return found or None


def walk_own(function: Function) -> Iterator[ast.AST]:
    """In the order of the source, without functions inside."""
    waiting: list[ast.AST] = list(reversed(list(ast.iter_child_nodes(function))))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))


def walk_calls(tree: ast.Module) -> Iterator[tuple[ast.Call, Function | None]]:
    """Every call with the function it stands in."""

    def walk(node: ast.AST, function: Function | None) -> Iterator[tuple[ast.Call, Function | None]]:
        for child in ast.iter_child_nodes(node):
            inner = child if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
            if isinstance(child, ast.Call):
                yield child, inner
            yield from walk(child, inner)

    yield from walk(tree, None)
