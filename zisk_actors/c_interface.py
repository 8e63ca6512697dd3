"""Functions of a C header as Python functions that check their arguments: types, ranges, contiguity, sizes.

Rules of this file:
* A header declares a function once (native/include/zk/interface.h says how it is written); nothing here names one.
* What does not fit raises `BadArgument` before C is entered. A size is checked against the numbers of the same call.
* Arrays are numpy arrays; bytes serve where C only reads them. An array of arrays is a sequence of arrays, or `Columns`.
"""

from __future__ import annotations

import ast
import ctypes
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from zisk_actors.errors import ZiskError

INTEGERS: Final[dict[str, Any]] = {
    "int": ctypes.c_int,
    "size_t": ctypes.c_size_t,
    "int32_t": ctypes.c_int32,
    "uint8_t": ctypes.c_uint8,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
}
Values = Mapping[str, Any]
"""The arguments of one call by their names."""

_STRUCT = re.compile(r"^typedef struct (\w+) \{(.*?)^\} \1;", re.MULTILINE | re.DOTALL)
_PROTOTYPE = re.compile(r"^((?:const )?\w+ ?\*?) ?\b(\w+)\(([^;{}]*)\);", re.MULTILINE)
_PARAMETER = re.compile(r"(const )?(\w+)(\* const\*|\*)? (\w+)(?: /\* (?:(.+?) of )?(.+?)( or null)? \*/)?")


class BadArgument(ZiskError, ValueError):
    """A native function was to be called with what its declaration does not allow."""

    code = "native-argument"


class BadHeader(ZiskError, ValueError):
    """A line of a C header is not of the form that can be read here."""

    code = "native-header"


@dataclass(frozen=True)
class Columns:
    """Where columns of words lie, for an array of arrays of which there are too many to be checked one by one.

    ``addresses`` (n,): of the first word of each; ``words``: how many lie behind each address, at least; ``owners``: what they lie in.
    """

    addresses: npt.NDArray[np.uint64]
    words: int
    owners: tuple[npt.NDArray[np.uint64], ...]

    @classmethod
    def of(cls, matrices: Sequence[npt.NDArray[np.uint64]], arity: int = 1) -> Columns:
        """The columns of (width, height) matrices of one height, in order.

        ``arity``: entries of a column that make one row; its column k begins at entry k. BadArgument for another kind of array.
        """
        for values in matrices:
            if values.dtype != np.uint64 or values.ndim != 2 or not values.flags.c_contiguous:
                raise BadArgument(f"columns are those of a contiguous matrix of uint64, not of {_kind(values)}")
        within = np.arange(arity, dtype=np.uint64)[:, None] * np.uint64(8)
        parts = [
            (np.uint64(values.ctypes.data) + np.arange(values.shape[0], dtype=np.uint64) * np.uint64(values.strides[0]) + within).reshape(
                -1
            )
            for values in matrices
        ]
        addresses = np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint64)
        return cls(addresses, min((values.shape[1] for values in matrices), default=0) - (arity - 1), tuple(matrices))

    def __len__(self) -> int:
        return len(self.addresses)

    def take(self, numbers: npt.NDArray[np.int64]) -> Columns:
        """Those of these numbers, in this order. IndexError for a number that there is not."""
        return Columns(self.addresses[numbers], self.words, self.owners)

    def __add__(self, other: Columns) -> Columns:
        addresses = np.concatenate([self.addresses, other.addresses])
        return Columns(addresses, min(self.words, other.words), (*self.owners, *other.owners))


def _kind(value: object) -> str:
    """What an argument is, for a message."""
    if not isinstance(value, np.ndarray):
        return type(value).__name__
    contiguous = "" if value.flags.c_contiguous else ", not contiguous"
    return f"{value.dtype} {value.shape}{contiguous}"


class _Powers(ast.NodeTransformer):
    """``2**k`` as a call that refuses a k which no array has."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.Pow):
            return node
        return ast.Call(ast.Name("two_to", ast.Load()), [node.right], [])


def _two_to(exponent: int) -> int:
    if not 0 <= exponent < 64:
        raise BadArgument(f"2^{exponent} is no number of elements")
    return 1 << exponent


class Size:
    """A number of elements as an expression in the other arguments."""

    _NODES = (ast.Expression, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Pow, ast.RShift, ast.Constant, ast.Name, ast.Load, ast.Call)
    _FUNCTIONS: Final = {"__builtins__": {}, "sum": lambda array: int(np.sum(array)), "two_to": _two_to}

    def __init__(self, text: str, names: Sequence[str]) -> None:
        self.text = text
        try:
            tree = ast.parse(text.replace("^", "**"), mode="eval")
        except SyntaxError:
            raise BadHeader(f"a size cannot be read: {text}") from None
        for node in ast.walk(tree):
            if not isinstance(node, (*self._NODES, ast.Subscript, ast.Attribute)):
                raise BadHeader(f"a size may not have a {type(node).__name__}: {text}")
            if isinstance(node, ast.Name) and node.id not in (*names, "sum", "i"):
                raise BadHeader(f"a size speaks of {node.id}, which is no parameter: {text}")
        self._code: CodeType = compile(ast.fix_missing_locations(_Powers().visit(tree)), "<size>", "eval")

    def __call__(self, values: Values, i: int = 0) -> int:
        """The number. BadArgument for a power of two that no array has."""
        return int(eval(self._code, self._FUNCTIONS, {**values, "i": i}))


@dataclass(frozen=True)
class Number:
    """An integer, passed by value."""

    name: str
    kind: Any

    @cached_property
    def _range(self) -> tuple[int, int]:
        bits = 8 * ctypes.sizeof(self.kind)
        return (0, 2**bits) if self.kind(-1).value > 0 else (-(2 ** (bits - 1)), 2 ** (bits - 1))

    def passed(self, value: Any, values: Values) -> int:
        """What C gets. BadArgument where it is no integer of this kind."""
        try:
            number = operator.index(value)
        except TypeError:
            raise BadArgument(f"{self.name} is an integer, not {_kind(value)}") from None
        low, end = self._range
        if not low <= number < end:
            raise BadArgument(f"{self.name} = {number} is outside [{low}, {end})")
        return number


@dataclass(frozen=True)
class Array:
    """A C-contiguous array of integers."""

    name: str
    dtype: np.dtype[Any]
    size: Size
    written: bool
    optional: bool
    kind: Any = ctypes.c_void_p

    def passed(self, value: Any, values: Values) -> int | bytes | None:
        """Its address. BadArgument for another type, a layout with gaps, too few elements, or one that may not be written."""
        if value is None and self.optional:
            return None
        needed = self.size(values)
        return None if value is None and needed == 0 else self.address(value, needed)

    def address(self, value: Any, needed: int) -> int | bytes:
        """The address of an array with at least ``needed`` elements."""
        if isinstance(value, bytes) and self.dtype == np.uint8 and not self.written:
            length = len(value)
        elif not isinstance(value, np.ndarray) or value.dtype != self.dtype or not value.flags.c_contiguous:
            raise BadArgument(f"{self.name} is a contiguous array of {self.dtype}, not {_kind(value)}")
        elif self.written and not value.flags.writeable:
            raise BadArgument(f"{self.name} is written, and this array is read-only")
        else:
            length = value.size
        if length < needed:
            raise BadArgument(f"{self.name} has {length} elements; {self.size.text} are {needed}")
        return value if isinstance(value, bytes) else value.ctypes.data


@dataclass(frozen=True)
class Arrays:
    """An array of arrays. ``count``: of arrays; ``inner``: what each of them is."""

    name: str
    count: Size
    inner: Array
    kind: Any = ctypes.c_void_p

    def passed(self, value: Any, values: Values) -> Any:
        """The array of their addresses. BadArgument as for one of them, and for too few."""
        needed = self.count(values)
        if len(value) < needed:
            raise BadArgument(f"{self.name} has {len(value)} arrays; {self.count.text} are {needed}")
        if isinstance(value, Columns):
            words = self.inner.size(values)
            if needed and (self.inner.written or value.words < words):
                raise BadArgument(f"{self.name} has columns of {value.words} words; {self.inner.size.text} are {words}")
            return value.addresses.ctypes.data
        addresses: list[Any] = [self.inner.address(each, self.inner.size(values, i)) for i, each in enumerate(value[:needed])]
        return (ctypes.c_void_p * len(addresses))(*addresses)


@dataclass(frozen=True)
class Record:
    """A struct of the header, which C reads or writes."""

    name: str
    struct: type[ctypes.Structure]

    @property
    def kind(self) -> Any:
        """Its type for ctypes."""
        return ctypes.POINTER(self.struct)

    def passed(self, value: Any, values: Values) -> Any:
        """A reference to it. BadArgument for another struct."""
        if not isinstance(value, self.struct):
            raise BadArgument(f"{self.name} is a {self.struct.__name__}, not {_kind(value)}")
        return ctypes.byref(value)


@dataclass(frozen=True)
class Handle:
    """A pointer that a function of the header gave, or the address of a table in a library; or what has one as its ``address``, beside
    the sizes that the header speaks of."""

    name: str
    kind: Any = ctypes.c_void_p

    def passed(self, value: Any, values: Values) -> int:
        """The address. BadArgument for null and for what is no address."""
        address = getattr(value, "address", value)
        if not isinstance(address, int) or address <= 0:
            raise BadArgument(f"{self.name} is a handle, not {value!r}")
        return address


Parameter = Number | Array | Arrays | Record | Handle


@dataclass(frozen=True)
class Declaration:
    """A prototype: what it takes and gives."""

    name: str
    parameters: tuple[Parameter, ...]
    result: Any

    def bound(self, library: ctypes.CDLL) -> Callable[..., Any]:
        """The function of a library, with its arguments checked; text comes as str. AttributeError where the library has none."""
        function = library[self.name]
        function.restype, function.argtypes = self.result, [parameter.kind for parameter in self.parameters]
        names = [parameter.name for parameter in self.parameters]
        numbers = [parameter for parameter in self.parameters if isinstance(parameter, Number)]
        passed = [parameter.passed for parameter in self.parameters]
        text = self.result is ctypes.c_char_p

        def call(*arguments: Any) -> Any:
            if len(arguments) != len(names):
                raise BadArgument(f"{self.name} takes {len(names)} arguments, not {len(arguments)}: {', '.join(names)}")
            values = dict(zip(names, arguments, strict=True))
            try:
                for number in numbers:  # sizes speak of them
                    values[number.name] = number.passed(values[number.name], values)
                result = function(*[each(argument, values) for each, argument in zip(passed, arguments, strict=True)])
            except BadArgument as error:
                raise BadArgument(f"{self.name}: {error.message}") from None
            return result.decode() if text and result is not None else result

        call.__name__ = call.__qualname__ = self.name
        return call


class Header:
    """What a header declares. BadHeader for a line that is neither a comment, a struct nor a prototype."""

    def __init__(self, text: str) -> None:
        bare = re.sub(r"^#ifdef __cplusplus\n.*?^#(?:else|endif)", "", text, flags=re.MULTILINE | re.DOTALL)
        bare = re.sub(r"//.*|^#.*|^typedef struct (\w+) \1;", "", bare, flags=re.MULTILINE)
        self.structs: dict[str, type[ctypes.Structure]] = {}
        for name, body in _STRUCT.findall(bare):
            self.structs[name] = type(name, (ctypes.Structure,), {"_fields_": list(_fields(body))})
        bare = _STRUCT.sub("", bare)
        self.functions = {name: self._declared(result, name, parameters) for result, name, parameters in _PROTOTYPE.findall(bare)}
        rest = _PROTOTYPE.sub("", bare).strip()
        if rest:
            raise BadHeader(f"a declaration cannot be read: {rest.splitlines()[0]}")

    def _declared(self, result: str, name: str, parameters: str) -> Declaration:
        texts = [] if parameters.strip() == "void" else [" ".join(text.split()) for text in parameters.split(",")]
        matches = [_PARAMETER.fullmatch(text) for text in texts]
        names = [match[4] if match else "" for match in matches]
        declared = []
        for text, match in zip(texts, matches, strict=True):
            if match is None:
                raise BadHeader(f"{name}: a parameter cannot be read: {text}")
            declared.append(self._parameter(match, names))
        return Declaration(name, tuple(declared), _result(result))

    def _parameter(self, match: re.Match[str], names: Sequence[str]) -> Parameter:
        const, kind, stars, name, count, size, optional = match.groups()
        if not stars and kind in INTEGERS and not size:
            return Number(name, INTEGERS[kind])
        if stars == "*" and not size:
            if kind in self.structs:
                return Record(name, self.structs[kind])
            if kind not in INTEGERS and kind != "void":
                return Handle(name)
        if stars and size and kind in INTEGERS and (count is not None) == (stars == "* const*"):
            array = Array(name, np.dtype(INTEGERS[kind]), Size(size, names), not const, bool(optional))
            return Arrays(name, Size(count, names), array) if count is not None else array
        raise BadHeader(f"a parameter cannot be read, or has no size: {match[0]}")


def _result(text: str) -> Any:
    kind = text.replace("const ", "").strip()
    if kind == "void":
        return None
    if kind.rstrip("* ") == "char":
        return ctypes.c_char_p
    return ctypes.c_void_p if kind.endswith("*") else INTEGERS[kind]


def _fields(body: str) -> list[tuple[str, Any]]:
    """The fields of a struct, from `type name, name[count];` lines."""
    found: list[tuple[str, Any]] = []
    for line in filter(None, (part.strip() for part in body.split(";"))):
        kind, _, names = line.partition(" ")
        for name in names.split(","):
            match = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", name.strip())
            if match is None or kind not in INTEGERS:
                raise BadHeader(f"a field cannot be read: {line}")
            found.append((match[1], INTEGERS[kind] * int(match[2]) if match[2] else INTEGERS[kind]))
    return found
