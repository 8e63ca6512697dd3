"""The arguments of a client's calls, checked before anything is sent.

Rules of this file:
* What a value may be is said once, by the fields of the messages in `wire/`. It is read from there, and checked with the converter that the
  coordinator uses.
* The cluster opens no file and no address for a client; such names are refused here, with what to do.
* Whatever is wrong is an `InvalidArgument` that names the argument, its value, and what it may be.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Callable, Iterable
from os import PathLike
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, inspect

from zisk_actors.errors import UsageError
from zisk_actors.wire.codec import convert
from zisk_actors.wire.errors import WireError
from zisk_actors.wire.values import BlobRef

Input = bytes | BlobRef | Iterable[bytes] | AsyncIterable[bytes]
"""An input: its bytes, one that the cluster has, or parts of it in order as they are made."""


ARGUMENTS: Final = {"deadline_seconds": "deadline"}
"""The fields of requests that the calls call otherwise."""

SHOWN: Final = 60
"""Characters of a wrong value that are repeated."""

Patience = Annotated[float, Meta(ge=0)] | None
"""How long to wait, in seconds; None is for ever."""

Limit = Annotated[int, Meta(ge=0)]


class InvalidArgument(UsageError):
    """A call has an argument that no cluster takes; nothing was sent. `argument` is its name."""

    code = "invalid-argument"

    def __init__(self, argument: str, value: str, needed: str, *, hint: str = "") -> None:
        super().__init__(f"{argument} is {value}, and has to be {needed}", hint=hint)
        self.argument = argument


class InputAddress(UsageError):
    """An input is named by an address that the cluster would have to open."""

    code = "input-address"


def check(argument: str, value: object, kind: Any) -> None:  # Any: annotated types and unions have no type of their own
    """Raises `InvalidArgument` where a value is not of a type: a class, or one with bounds as in `wire/`."""
    wrong = isinstance(kind, type) and not isinstance(value, kind)
    inside = ""
    if not wrong and kind not in (bytes, str):
        try:
            convert(msgspec.to_builtins(value, builtin_types=(bytes,)), kind)
        except TypeError:
            wrong = True
        except WireError as error:
            wrong = True
            inside = f" ({error.message})" if "`$." in error.message else ""
    if not wrong and isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidArgument(argument, _shown(value), "text that has an encoding in UTF-8") from None
    if wrong:
        raise InvalidArgument(argument, _shown(value), _words(inspect.type_info(kind)) + inside)


def check_request(request: msgspec.Struct) -> None:
    """Raises `InvalidArgument` where the coordinator would refuse to read a request; the first wrong field is named."""
    for field in msgspec.structs.fields(request):
        value = getattr(request, field.name)
        kind = None if isinstance(value, BlobRef) else field.type
        check(ARGUMENTS.get(field.name, field.name), value, kind or BlobRef)


def check_callable(argument: str, value: Callable[..., object] | None) -> None:
    """Raises `InvalidArgument` for what is neither a function nor None."""
    if value is not None and not callable(value):
        raise InvalidArgument(argument, _shown(value), "a function, or None")


def program_of(value: object) -> bytes | BlobRef:
    """A program as a call was given it. Raises `InvalidArgument`."""
    if isinstance(value, BlobRef):
        check("program", value, BlobRef)
        return value
    return content_of("program", value, "the bytes of an ELF file, or the BlobRef of a program that the cluster has")


def content_of(argument: str, value: object, needed: str = "bytes") -> bytes:
    """Bytes as a call was given them. Raises `InvalidArgument`."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    hint = "read the file first: pathlib.Path(...).read_bytes()" if isinstance(value, str | PathLike) else ""
    raise InvalidArgument(argument, _shown(value), needed, hint=hint)


def input_of(value: object) -> Input:
    """An input as a call was given it. Raises `InvalidArgument`, and `InputAddress` for an address."""
    if isinstance(value, BlobRef):
        check("stdin", value, BlobRef)
        return value
    if isinstance(value, str):
        refuse_address(value)
    elif isinstance(value, AsyncIterable | Iterable) and not isinstance(value, bytes | bytearray | memoryview):
        return value
    return content_of("stdin", value, "bytes, parts of them, or the BlobRef of an input that the cluster has, and no text")


def refuse_address(name: str) -> None:
    """Raises `InputAddress` for what looks like an address and not like a file."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", name)
    if found is None:
        return
    scheme = found[1].lower()
    if scheme == "file":
        hint = "name the file without file://, and the client reads it"
    else:
        hint = "pipe what is there into `zisk prove ELF -i -`, which sends it while it comes"
    raise InputAddress(f"{name[:200]}: inputs come from the client; neither coordinator nor workers open {scheme}:// for one", hint=hint)


def _shown(value: object) -> str:
    words = repr(value)
    return words if len(words) <= SHOWN else f"{words[:SHOWN]}... ({type(value).__name__})"


def _words(kind: inspect.Type) -> str:
    """What a value of a type may be, with its bounds."""
    match kind:
        case inspect.UnionType(types=types):
            return ", or ".join(_words(each) for each in types)
        case inspect.IntType() | inspect.FloatType():
            return f"{'a whole number' if isinstance(kind, inspect.IntType) else 'a number'}{_bounds(kind)}"
        case inspect.StrType(pattern=str(pattern)):
            return f"text that matches {pattern}"
        case inspect.StrType(max_length=int(length)):
            return f"text of at most {length} characters"
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(repr(value) for value in values)}"
        case inspect.StructType(cls=found) | inspect.CustomType(cls=found):
            return f"a {found.__name__}"
        case _:
            return _PLAIN.get(type(kind), type(kind).__name__)


_PLAIN: Final[dict[type, str]] = {
    inspect.NoneType: "None",
    inspect.BoolType: "True or False",
    inspect.StrType: "text",
    inspect.BytesType: "bytes",
}


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    low = f" above {kind.gt:.12g}" if kind.gt is not None else f" from {kind.ge:.12g}" if kind.ge is not None else ""
    return low + (f" to {kind.le}" if isinstance(kind.le, int) else f" to {kind.le:.12g}" if kind.le is not None else "")
