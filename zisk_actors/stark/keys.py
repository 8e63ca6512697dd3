"""The verifying key: everything about a program that a verifier must know.

Rules: the digest covers all of it, the parameter set included; statements carry
the digest. One key has one encoding, and decoding refuses every other.
"""

from __future__ import annotations

from functools import cached_property

import msgspec

from zisk_actors.errors import Incompatible
from zisk_actors.stark import domain, params, poseidon2
from zisk_actors.stark.magic import KEY_MAGIC, VERSION, other_version
from zisk_actors.stark.params import Parameters
from zisk_actors.stark.statement import Digest, InstanceShape, is_digest

MAX_KEY_BYTES = 64 * 1024


class BadKey(Incompatible):
    """The bytes are not a verifying key of this version."""

    code = "key-malformed"


class VerifyingKey(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, dict=True):
    """What a program's proofs are checked against.

    ``parameters``: number of the parameter set. ``chip_set``: digest of the chip set. ``fixed_root``: root of the
    tree over the LDEs of ``fixed``, the chips with fixed columns in ascending order with their heights (four zeros if
    there are none). ``entry``: ROM row of the first instruction. ``memory``: byte ranges [start, end) of the memory
    map that the program was built for.
    """

    parameters: int
    chip_set: Digest
    fixed_root: Digest
    fixed: tuple[InstanceShape, ...]
    entry: int
    memory: tuple[tuple[int, int], ...]

    @cached_property
    def digest(self) -> Digest:
        """The hash that statements name the program by."""
        words = [self.parameters, *self.chip_set, *self.fixed_root, self.entry, len(self.fixed)]
        words += [word for chip in self.fixed for word in (chip.chip, chip.log_height)]
        words.append(len(self.memory))
        words += [word for start, end in self.memory for word in (start, end)]
        return poseidon2.digest_of(words)

    @property
    def parameter_set(self) -> Parameters:
        """The parameters that proofs under this key are made with."""
        return params.BY_NUMBER[self.parameters]

    def fixed_log_height(self, chip: int) -> int | None:
        """log2 of the height of a chip's fixed columns; None if it has none."""
        return next((shape.log_height for shape in self.fixed if shape.chip == chip), None)

    def check(self) -> None:
        """Raise BadKey unless every part is in range."""
        if self.parameters not in params.BY_NUMBER:
            raise BadKey(f"unknown parameter set number {self.parameters}")
        if not is_digest(self.chip_set) or not is_digest(self.fixed_root):
            raise BadKey("a digest in the key is not four field elements")
        chips = [shape.chip for shape in self.fixed]
        if chips != sorted(set(chips)) or any(chip < 0 for chip in chips):
            raise BadKey("the key's fixed tables are not in order")
        if any(not domain.MIN_LOG_HEIGHT <= shape.log_height <= domain.MAX_LOG_HEIGHT for shape in self.fixed):
            raise BadKey("a fixed table of the key has a height outside the protocol's")
        if not 0 <= self.entry < 2**32:
            raise BadKey("the key's entry is not a ROM row")
        if any(not 0 <= start <= end < 2**63 for start, end in self.memory):
            raise BadKey("a memory range of the key is not a range")

    def encode(self) -> bytes:
        """The key's bytes."""
        return KEY_MAGIC + msgspec.msgpack.encode(self)


def decode_key(data: bytes) -> VerifyingKey:
    """A key from its bytes; BadKey for anything that ``VerifyingKey.encode`` would not have written."""
    if len(data) > MAX_KEY_BYTES:
        raise BadKey("too many bytes for a verifying key")
    if not data.startswith(KEY_MAGIC):
        version = other_version(data, KEY_MAGIC)
        what = "this is not a verifying key"
        if version is not None:
            what = f"this verifying key is of protocol version {version}, not {VERSION[0]}"
        raise BadKey(what, hint="make it again with: zisk program setup")
    try:
        key = msgspec.msgpack.decode(data[len(KEY_MAGIC) :], type=VerifyingKey)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadKey(f"the verifying key does not decode: {error}") from None
    key.check()
    if key.encode() != data:
        raise BadKey("the verifying key is not in its canonical encoding")
    return key
