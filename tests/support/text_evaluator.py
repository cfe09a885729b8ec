"""What a string expression of the sources can be: a small evaluator.

Constants, f-strings, concatenations, conditional expressions, local names, functions that return texts, and
parameters as far as their callers give texts. What it cannot know is a value, written `{}`.
"""

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from math import prod

from tests.support.source_reading import (
    Function,
    Module,
    bind,
    find_assignments,
    list_parameters,
    name_of,
    read_package,
    walk_calls,
    walk_own,
)

HOLE = "{}"
MOST_VARIANTS = 6
"""Of a sentence with its values written out; beyond it they are sentences of their own that stand in a `{}`."""
_DEEPEST = 12
ANY = frozenset({HOLE})

Texts = frozenset[str]


@dataclass(frozen=True, slots=True)
class Scope:
    module: Module
    function: Function | None
    bound: Mapping[str, Texts] = field(default_factory=dict)


class Evaluator:
    """Of all modules of the package."""

    def __init__(self) -> None:
        self.modules = read_package()
        self._calls = self._list_calls()
        self.parts: dict[str, str] = {}
        """Sentences that stand in a `{}` of another, with the place where."""

    def evaluate(self, node: ast.expr, scope: Scope, depth: int = 0) -> Texts:
        """Every text that it can be; nothing for None."""
        if depth > _DEEPEST:
            return ANY
        match node:
            case ast.Constant(value=None):
                return frozenset()
            case ast.Constant(value=str(text)):
                return frozenset({text})
            case ast.JoinedStr():
                return self._evaluate_format(node, scope, depth)
            case ast.BinOp(op=ast.Add()):
                left, right = (self.evaluate(side, scope, depth + 1) for side in (node.left, node.right))
                return ANY if left == right == ANY else _join((left, right))  # numbers, perhaps
            case ast.IfExp():
                return self._unite((node.body, node.orelse), scope, depth)
            case ast.BoolOp(op=ast.Or()):
                return self._unite(node.values, scope, depth)
            case ast.Await():
                return self.evaluate(node.value, scope, depth)
            case ast.Name():
                return self._evaluate_name(node.id, scope, depth + 1)
            case ast.Attribute(value=ast.Name(id=name)):
                return self._evaluate_attribute(name, node.attr, scope)
            case ast.Subscript(value=ast.Name(id=name)):
                return self.evaluate_table(name, scope, depth + 1)
            case ast.Subscript(slice=ast.Slice()):  # a text that is cut
                return self.evaluate(node.value, scope, depth + 1)
            case ast.Call():
                return self._evaluate_call(node, scope, depth + 1)
            case _:
                return ANY

    def _evaluate_format(self, node: ast.JoinedStr, scope: Scope, depth: int) -> Texts:
        """The same expression has the same value wherever it stands; too many combinations become values."""
        found: dict[str, Texts] = {}
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                found.setdefault(ast.unparse(part.value), self._evaluate_value(part, scope, depth))
        while prod(map(len, found.values())) > MOST_VARIANTS:
            most = max(found, key=lambda name: len(found[name]))
            for text in found[most] - ANY:
                self.parts.setdefault(text, f"{scope.module.path}:{node.lineno}")
            found[most] = ANY
        variants = []
        for chosen in product(*map(sorted, found.values())):
            values = dict(zip(found, chosen, strict=True))
            variants.append(
                "".join(
                    values[ast.unparse(part.value)]
                    if isinstance(part, ast.FormattedValue)
                    else _read_text(part)
                    for part in node.values
                )
            )
        return frozenset(variants)

    def _evaluate_value(self, part: ast.FormattedValue, scope: Scope, depth: int) -> Texts:
        if part.conversion != -1 or part.format_spec is not None:
            return ANY
        texts = self.evaluate(part.value, scope, depth + 1)
        known = frozenset(text if _is_prose(text) else HOLE for text in texts)
        return ANY if known <= {"", HOLE} else known

    def _unite(self, nodes: Iterable[ast.expr], scope: Scope, depth: int) -> Texts:
        return frozenset().union(*(self.evaluate(node, scope, depth + 1) for node in nodes))

    def _evaluate_name(self, name: str, scope: Scope, depth: int) -> Texts:
        if name in scope.bound:
            return scope.bound[name]
        if scope.function is not None:
            assigned = find_assignments(scope.function, name)
            if assigned is not None:
                return self._evaluate_assignments(assigned, scope, depth)
            if name in list_parameters(scope.function):
                return self._evaluate_parameter(name, scope, depth)
        return self._evaluate_constant(name, scope.module, depth)

    def _evaluate_assignments(self, assigned: list[ast.stmt], scope: Scope, depth: int) -> Texts:
        texts: Texts = frozenset()
        for statement in assigned:
            if isinstance(statement, ast.AugAssign):
                added = self.evaluate(statement.value, scope, depth)
                texts |= frozenset() if texts == added == ANY else _join((texts, added))
            else:
                assert isinstance(statement, ast.Assign | ast.AnnAssign)
                value = statement.value
                texts |= ANY if value is None else self.evaluate(value, scope, depth)
        return texts

    def _evaluate_constant(self, name: str, module: Module, depth: int) -> Texts:
        if name in module.constants:
            return self.evaluate(module.constants[name], Scope(module, None), depth)
        if name in module.imports:
            path, there = module.imports[name]
            if path in self.modules and there in self.modules[path].constants:
                return self._evaluate_constant(there, self.modules[path], depth)
        return ANY

    def _evaluate_attribute(self, name: str, attribute: str, scope: Scope) -> Texts:
        """Of a class of ours that names it; members of enumerations are values."""
        path, there = scope.module.imports.get(name, (scope.module.path, name))
        module = self.modules.get(path)
        owner = module.classes.get(there) if module is not None else None
        if owner is None or any(name_of(base) == "StrEnum" for base in owner.bases):
            return ANY
        for node in owner.body:
            if isinstance(node, ast.Assign) and name_of(node.targets[0]) == attribute:
                return self.evaluate(node.value, scope, _DEEPEST)
        return ANY

    def evaluate_table(self, name: str, scope: Scope, depth: int = 0) -> Texts:
        table = scope.module.constants.get(name)
        if isinstance(table, ast.Call) and table.args:  # MappingProxyType({…})
            table = table.args[0]
        if not isinstance(table, ast.Dict):
            return ANY
        return self._unite(table.values, Scope(scope.module, None), depth)

    def _evaluate_call(self, call: ast.Call, scope: Scope, depth: int) -> Texts:
        if isinstance(call.func, ast.Attribute):
            holder = call.func.value
            if call.func.attr == "format":
                texts = self.evaluate(holder, scope, depth)
                return frozenset(re.sub(r"\{\w*\}", HOLE, text) for text in texts)
            if call.func.attr == "get" and isinstance(holder, ast.Name):
                table = self.evaluate_table(holder.id, scope, depth)
                return table | (self.evaluate(call.args[1], scope, depth) if call.args[1:] else frozenset())
            if call.func.attr == "replace" and all(isinstance(each, ast.Constant) for each in call.args):
                old, new = (str(ast.literal_eval(each)) for each in call.args)
                return frozenset(text.replace(old, new) for text in self.evaluate(holder, scope, depth))
            if not (isinstance(holder, ast.Name) and holder.id == "self"):
                return ANY
        module, function = self._find_function(name_of(call.func), scope.module)
        if function is None or module is None:
            return ANY
        bound = {
            name: ANY if value is None else self.evaluate(value, scope, depth)
            for name, value in bind(call, function)
        }
        inner = Scope(module, function, bound)
        returned = [node.value for node in walk_own(function) if isinstance(node, ast.Return)]
        return self._unite((value for value in returned if value is not None), inner, depth) or ANY

    def _find_function(self, name: str, module: Module) -> tuple[Module | None, Function | None]:
        if name in module.functions:
            return module, module.functions[name]
        path, there = module.imports.get(name, ("", ""))
        found = self.modules.get(path)
        return (found, found.functions.get(there)) if found is not None else (None, None)

    def _evaluate_parameter(self, name: str, scope: Scope, depth: int) -> Texts:
        """What the callers give: the texts among it, and a value where one gives something else."""
        assert scope.function is not None
        called = scope.function.name
        if called == "__init__":
            owner = next(
                node
                for node in ast.walk(scope.module.tree)
                if isinstance(node, ast.ClassDef) and scope.function in node.body
            )
            called = owner.name
        texts: Texts = frozenset()
        for module, function, call in self._calls.get(called, ()):
            if not _may_reach(module, scope.module, called):
                continue
            value = dict(bind(call, scope.function)).get(name)
            given = ANY if value is None else self.evaluate(value, Scope(module, function), depth)
            texts |= given
        return texts or ANY

    def _list_calls(self) -> dict[str, list[tuple[Module, Function | None, ast.Call]]]:
        calls: dict[str, list[tuple[Module, Function | None, ast.Call]]] = {}
        for module in self.modules.values():
            for call, function in walk_calls(module.tree):
                calls.setdefault(name_of(call.func), []).append((module, function, call))
        return calls


def _may_reach(caller: Module, callee: Module, name: str) -> bool:
    """Whether a call by this name can be of that module's function: its own, imported, or a method in its room."""
    if caller is callee or name in caller.imports:
        return True
    return caller.path.rpartition("/")[0] == callee.path.rpartition("/")[0] and not name.startswith("_")


def _read_text(part: ast.expr) -> str:
    assert isinstance(part, ast.Constant)
    return str(part.value)


def _is_prose(text: str) -> bool:
    """Words, or nothing, or something around a value; not signs, names in capitals or addresses."""
    if not text or HOLE in text:
        return True
    return re.search(r"(?<![\w/@.-])[a-z]{2,}(?![\w/@.-])", text) is not None


def _join(parts: Iterable[Texts]) -> Texts:
    return frozenset("".join(combination) for combination in product(*map(sorted, parts)))
