"""Verifying keys: the digest covers everything, the encoding is one."""

from __future__ import annotations

import msgspec
import pytest

from tests import toy
from zisk_actors.stark.field import P
from zisk_actors.stark.keys import MAX_KEY_BYTES, BadKey, VerifyingKey, decode_key
from zisk_actors.stark.magic import KEY_MAGIC
from zisk_actors.stark.statement import InstanceShape


def key() -> VerifyingKey:
    return toy.honest().key.vk


CHANGES = [
    {"parameters": 3},
    {"chip_set": (1, 2, 3, 4)},
    {"fixed_root": (1, 2, 3, 4)},
    {"fixed": (InstanceShape(2, 8),)},
    {"fixed": (InstanceShape(1, 6),)},
    {"fixed": ()},
    {"entry": 3},
    {"memory": ((0, 65),)},
    {"memory": ((1, 64),)},
    {"memory": ()},
]


def test_the_digest_covers_every_part():
    digests = [key().digest, *(msgspec.structs.replace(key(), **change).digest for change in CHANGES)]
    assert len(set(digests)) == len(digests)


def test_round_trip():
    assert decode_key(key().encode()) == key()
    assert key().fixed_log_height(2) == toy.TABLE_LOG
    assert key().fixed_log_height(1) is None


def test_every_flipped_bit_gives_another_key_or_none():
    data = key().encode()
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            try:
                other = decode_key(bytes(changed))
            except BadKey:
                continue
            assert other.digest != key().digest


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": 9},
        {"chip_set": (1, 2, 3, P)},
        {"fixed_root": (-1, 2, 3, 4)},
        {"fixed": (InstanceShape(2, 6), InstanceShape(2, 6))},
        {"fixed": (InstanceShape(-1, 6),)},
        {"fixed": (InstanceShape(2, 60),)},
        {"entry": 2**32},
        {"memory": ((5, 4),)},
    ],
)
def test_parts_out_of_range_are_refused(change: dict[str, object]):
    with pytest.raises(BadKey):
        decode_key(msgspec.structs.replace(key(), **change).encode())


def test_another_version_is_refused_by_name():
    with pytest.raises(BadKey, match="protocol version 1, not 2"):
        decode_key(b"zisk-vk\x01" + key().encode()[8:])


def test_other_bytes_are_refused():
    data = key().encode()
    for wrong in (b"", data[:-1], data + b"\0", data[1:], KEY_MAGIC, KEY_MAGIC + b"\x80", bytes(2**17)):
        with pytest.raises(BadKey):
            decode_key(wrong)


def test_a_key_has_one_encoding_and_a_size():
    data = key().encode()
    longer = data[: len(KEY_MAGIC) + 1] + b"\xcc" + data[len(KEY_MAGIC) + 1 :]  # the set's number in two bytes
    with pytest.raises(BadKey, match="canonical"):
        decode_key(longer)
    with pytest.raises(BadKey, match="too many bytes"):
        decode_key(KEY_MAGIC + bytes(MAX_KEY_BYTES))
