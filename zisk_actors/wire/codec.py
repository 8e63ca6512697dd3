"""Message bytes to typed messages and back.

A message on a link is one header frame and at most one bulk frame. The header is a msgpack map {v, epoch, body}: `v` is the protocol's
version, `epoch` the number of the coordinator's start that the sender believes in (0 where it does not matter), `body` the message as a
map with its `type`.

Rules of this file:
* Hostile input ends here: whatever `unpack` returns is a message of the union that was asked for, with every field in its range.
* Refused: oversize, other versions, unknown or missing fields, unknown types, duplicate keys, extension types, nesting, trailing bytes, a
  missing or a surplus bulk frame. Each refusal is a `WireError` subclass; no other exception leaves `unpack`. It has
  the number of the request where the envelope can be read, so that the sender can be told.
* msgpack decodes, msgspec converts: msgpack alone would let the last of two equal keys win, and msgspec's own decoder as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgpack
import msgspec

from zisk_actors.wire.errors import DuplicateKey, TooLarge, UnknownField, WireError, WrongVersion
from zisk_actors.wire.values import Count

VERSION: Final = 1
MAX_HEADER_BYTES: Final = 64 * 1024
MAX_BULK_BYTES: Final = 1024 * 1024
MAX_FRAMES: Final = 2

M = TypeVar("M", bound=msgspec.Struct)


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The outermost map of every header; `body` is converted in a second step, when the version is known to be ours."""

    v: int
    epoch: int
    body: dict[str, Any]  # Any: the border; converted to a typed message before anyone sees it


class Parcel(NamedTuple, Generic[M]):
    """A message as it arrived: what was said, the bulk bytes beside it (empty where there are none), and the epoch of the sender."""

    message: M
    bulk: bytes
    epoch: int


def pack(message: msgspec.Struct, bulk: bytes = b"", *, epoch: int = 0) -> list[bytes]:
    """Frames of a message. Raises `TooLarge` where our own side would send more than the other side takes."""
    header: bytes = msgpack.packb(
        {"v": VERSION, "epoch": epoch, "body": msgspec.to_builtins(message, builtin_types=(bytes,))}, use_bin_type=True
    )
    if len(header) > MAX_HEADER_BYTES:
        raise TooLarge(f"a {type(message).__name__} of {len(header)} bytes is over the limit of {MAX_HEADER_BYTES}")
    if len(bulk) > MAX_BULK_BYTES:
        raise TooLarge(f"a bulk frame of {len(bulk)} bytes is over the limit of {MAX_BULK_BYTES}")
    return [header, bulk] if bulk else [header]


class Unpacker(Generic[M]):
    """Decoder for one direction of one kind of link: `union` is the tagged union of the messages it takes."""

    def __init__(self, union: Any) -> None:  # Any: a union of types has no type of its own that mypy could name
        self._union = union

    def unpack(self, frames: Sequence[bytes]) -> Parcel[M]:
        if not 1 <= len(frames) <= MAX_FRAMES:
            raise TooLarge(f"a message has 1 or {MAX_FRAMES} frames, not {len(frames)}")
        if len(frames[0]) > MAX_HEADER_BYTES:
            raise TooLarge(f"a header of {len(frames[0])} bytes is over the limit of {MAX_HEADER_BYTES}")
        bulk = frames[1] if len(frames) == MAX_FRAMES else b""
        tree = decode_tree(frames[0])
        try:
            envelope = msgspec.convert(tree, Envelope)
        except msgspec.ValidationError as error:
            raise UnknownField(f"a header is a map of v, epoch and body: {error}") from None
        try:
            return Parcel(self._message(envelope, bulk), bulk, envelope.epoch)
        except WireError as error:
            error.request = _request_of(envelope)
            raise

    def _message(self, envelope: Envelope, bulk: bytes) -> M:
        if len(bulk) > MAX_BULK_BYTES:
            raise TooLarge(f"a bulk frame of {len(bulk)} bytes is over the limit of {MAX_BULK_BYTES}")
        if envelope.v != VERSION:
            raise WrongVersion(
                f"the other side speaks version {envelope.v} of the protocol and we speak {VERSION}", hint="run the same release everywhere"
            )
        message: M = convert(envelope.body, self._union)
        wants_bulk = getattr(message, "BULK", False)
        if bool(bulk) != wants_bulk:
            raise WireError(f"a {type(message).__name__} comes {'with' if wants_bulk else 'without'} a bulk frame")
        if not 0 <= envelope.epoch < 2**31:
            raise UnknownField(f"epoch {envelope.epoch} is out of range")
        return message


def _request_of(envelope: Envelope) -> int | None:
    """The number of the request in an envelope whose message is wrong, None where there is none in range."""
    try:
        return msgspec.convert(envelope.body.get("request"), Count, strict=True)
    except msgspec.ValidationError:
        return None


def decode_tree(content: bytes) -> Any:
    """Plain values from msgpack bytes, strictly. Raises `WireError` subclasses only."""
    try:
        return msgpack.unpackb(content, raw=False, strict_map_key=True, object_pairs_hook=_unique_map, ext_hook=_no_extension)
    except WireError:
        raise
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError, OverflowError) as error:
        raise WireError(f"not a message: {type(error).__name__}") from None


def convert(tree: Any, union: Any) -> Any:
    """A typed value from plain values, strictly. Raises `UnknownField`."""
    try:
        return msgspec.convert(tree, union, strict=True, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise UnknownField(str(error)) from None
    except RecursionError:
        raise WireError("not a message: nested too deep") from None


def _unique_map(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise DuplicateKey("a map has the same key twice")
    return result


def _no_extension(code: int, data: bytes) -> Any:
    raise WireError(f"extension type {code} is not part of the protocol")


def encode_record(value: msgspec.Struct) -> bytes:
    """Bytes of a value that stands alone (a journal row, a report in a blob): the same strict format without an envelope."""
    packed: bytes = msgpack.packb(msgspec.to_builtins(value, builtin_types=(bytes,)), use_bin_type=True)
    return packed


def decode_record(content: bytes, union: Any) -> Any:
    """The value that `encode_record` wrote. Raises `WireError` subclasses."""
    return convert(decode_tree(content), union)
