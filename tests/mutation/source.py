"""The Python code of the protocol with one check left out, found in whatever the code is.

What is left out, by kind:
* ``check``: a statement ``if ...: raise ...``, and each alternative of its condition where that is an ``or``;
* ``call``: a call of a function that checks;
* ``absorb``: a message that the transcript absorbs;
* ``term``: a term that the statement puts on the buses, or one value of it (0 in its place);
* ``rule``: the presence or the row bound that a chip is given.

A mutant is named ``path: kind function: text`` (with a number where that occurs again), not by line, so that it keeps its name.
``install`` has a process import the mutated module in the place of the real one.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.util
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

ROOT = Path(__file__).resolve().parent.parent.parent
STARK = "zisk_actors/stark"
CHECKED = tuple(f"{STARK}/{name}.py" for name in ("verifier", "aggregate", "fri", "merkle", "constraints", "rules", "statement", "keys"))
BOUNDARY = "zisk_actors/chips/boundary.py"


@dataclass(frozen=True)
class Mutant:
    """Something left out of a file. ``place`` counts what can be left out of it, in the order of ``_edits``."""

    path: str
    place: int
    text: str

    def __str__(self) -> str:
        return f"{self.path.removeprefix('zisk_actors/')}: {self.text}"

    @property
    def module(self) -> str:
        """The module's name."""
        return self.path.removesuffix(".py").replace("/", ".")


def mutants() -> list[Mutant]:
    """All of them, in the order of files."""
    chips = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "zisk_actors/chips").glob("*.py"))
    paths = [*CHECKED, f"{STARK}/transcript.py", *chips]
    return [mutant for path in paths for mutant in _of_file(path)]


def _of_file(path: str) -> Iterator[Mutant]:
    seen: Counter[str] = Counter()
    for place, (text, _) in enumerate(_edits(path, ast.parse((ROOT / path).read_text()))):
        seen[text] += 1
        yield Mutant(path, place, text if seen[text] == 1 else f"{text} #{seen[text]}")


Edit = tuple[str, "Edited"]


@dataclass(frozen=True)
class Edited:
    """An edit of the tree: ``holder.field`` becomes ``value``, or its element ``index`` does (is removed where that is None)."""

    holder: ast.AST
    field: str
    index: int | None
    value: ast.AST | None

    def apply(self) -> None:
        """Change the tree."""
        if self.index is None:
            setattr(self.holder, self.field, self.value)
            return
        elements = getattr(self.holder, self.field)
        if self.value is None:
            del elements[self.index]
        else:
            elements[self.index] = self.value


def _edits(path: str, tree: ast.Module) -> Iterator[Edit]:
    for name, function in _functions(tree):
        if path in CHECKED:
            yield from _checks(name, function)
        if path.endswith("transcript.py"):
            yield from _absorbed(name, function)
        if path == BOUNDARY:
            yield from _terms(name, function)
    if "/chips/" in path:
        yield from _rules(tree)


def _functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{node.name}.")


def _blocks(function: ast.FunctionDef) -> Iterator[tuple[ast.AST, str, int, ast.stmt]]:
    """Every statement of a function with its place."""
    for holder in ast.walk(function):
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(holder, field, None)
            if isinstance(statements, list):
                for index, statement in enumerate(statements):
                    yield holder, field, index, statement


def _checks(name: str, function: ast.FunctionDef) -> Iterator[Edit]:
    for holder, field, index, statement in _blocks(function):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            called = ast.unparse(statement.value.func)
            if called.split(".")[-1].lstrip("_").startswith("check"):
                yield f"call {name}: {called}", Edited(holder, field, index, ast.Pass())
        if not isinstance(statement, ast.If) or statement.orelse or not any(isinstance(line, ast.Raise) for line in statement.body):
            continue
        yield f"check {name}: {ast.unparse(statement.test)}", Edited(holder, field, index, ast.Pass())
        if isinstance(statement.test, ast.BoolOp) and isinstance(statement.test.op, ast.Or):
            for number, operand in enumerate(statement.test.values):
                rest = [value for place, value in enumerate(statement.test.values) if place != number]
                test = rest[0] if len(rest) == 1 else ast.BoolOp(ast.Or(), rest)
                yield f"check {name}: ... or {ast.unparse(operand)}", Edited(statement, "test", None, test)


def _absorbed(name: str, function: ast.FunctionDef) -> Iterator[Edit]:
    for holder, field, index, statement in _blocks(function):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and "absorb" in ast.unparse(statement.value.func):
            yield f"absorb {name}: {ast.unparse(statement)}", Edited(holder, field, index, ast.Pass())


def _terms(name: str, function: ast.FunctionDef) -> Iterator[Edit]:
    for holder, field, index, statement in _blocks(function):
        if isinstance(statement, ast.Expr) and "append" in ast.unparse(statement.value):
            yield f"term {name}: {ast.unparse(statement)}", Edited(holder, field, index, ast.Pass())
    for node in ast.walk(function):
        if isinstance(node, ast.List):
            for index, element in enumerate(node.elts):
                yield f"term {name}: {ast.unparse(element)}", Edited(node, "elts", index, None)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "BoundaryTerm":
            values = node.args[1]
            assert isinstance(values, ast.Tuple)
            for index, element in enumerate(values.elts):
                yield f"term {name}: 0 for {ast.unparse(element)}", Edited(values, "elts", index, ast.Constant(0))


def _rules(tree: ast.Module) -> Iterator[Edit]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Chip":
            for index, keyword in enumerate(node.keywords):
                if keyword.arg in ("presence", "max_job_rows"):
                    yield f"rule {ast.unparse(keyword)} of {ast.unparse(node.args[0])[:40]}", Edited(node, "keywords", index, None)
            if ast.unparse(node.func) == "chipset.Chip":
                yield "rule presence of a chip's rules", Edited(node, "args", 1, ast.parse("Presence.OPTIONAL", mode="eval").body)


def code_of(mutant: Mutant) -> CodeType:
    """The mutated module, compiled."""
    path = ROOT / mutant.path
    tree = ast.parse(path.read_text())
    list(_edits(mutant.path, tree))[mutant.place][1].apply()
    return compile(ast.fix_missing_locations(tree), str(path), "exec", dont_inherit=True)


def named(name: str) -> Mutant:
    """The mutant of that name; KeyError if there is none."""
    found = {str(mutant): mutant for mutant in mutants()}
    return found[name]


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module in its mutated form, and leaves all others to the rest."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != self._mutant.module:
            return None
        return importlib.util.spec_from_file_location(
            fullname, ROOT / self._mutant.path, loader=_Loader(self._mutant, fullname, str(ROOT / self._mutant.path))
        )


class _Loader(SourceFileLoader):
    def __init__(self, mutant: Mutant, name: str, path: str) -> None:
        super().__init__(name, path)
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        return code_of(self._mutant)


def install(mutant: Mutant) -> None:
    """Have this process import the mutated module. It must not have been imported yet."""
    assert mutant.module not in sys.modules, f"{mutant.module} is imported already"
    sys.meta_path.insert(0, _Finder(mutant))
