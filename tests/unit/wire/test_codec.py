"""Headers: what goes in comes out, and whatever else comes in is refused with its own reason."""

from __future__ import annotations

import contextlib

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zisk_actors.wire import client_link, transfer, worker_link
from zisk_actors.wire.codec import MAX_BULK_BYTES, MAX_HEADER_BYTES, Unpacker, decode_record, encode_record, pack
from zisk_actors.wire.errors import DuplicateKey, TooLarge, UnknownField, WireError, WrongVersion
from zisk_actors.wire.values import BlobRef, Lease, Phase, Trap, Value

JOB = "01234567-89ab-4def-8123-456789abcdef"
LEASE = Lease("w", "0" * 32, JOB, 1, 2)  # type: ignore[arg-type]  # NewTypes, spelt out in tests
BLOB = BlobRef("ab" * 32, 7)  # type: ignore[arg-type]
FROM_WORKER: Unpacker[msgspec.Struct] = Unpacker(worker_link.WorkerSays)


def header(body: object, v: object = 1, epoch: object = 0, **more: object) -> list[bytes]:
    return [msgpack.packb({"v": v, "epoch": epoch, "body": body, **more})]


GOOD = {"type": "heartbeat", "tick": 3}


@pytest.mark.parametrize("union", [worker_link.WorkerSays, worker_link.CoordinatorSays, client_link.ClientSays, client_link.GatewaySays])
def test_every_union_can_be_decoded_at_all(union: object) -> None:
    """A type that the decoder cannot build is found at its first use only; this is it."""
    with pytest.raises(UnknownField):
        Unpacker[msgspec.Struct](union).unpack(header({"type": "no-such-message"}))


@pytest.mark.parametrize(
    "message",
    [
        worker_link.Heartbeat(3),
        worker_link.Progress(LEASE, Phase.PROVE, "commit", 0.5),
        worker_link.Answer(LEASE, Phase.PROVE, BLOB),
        worker_link.answer(LEASE, Phase.PROVE, b"small"),
        worker_link.answer(LEASE, Phase.PROVE, bytes(worker_link.MAX_CONTENT_BYTES)),
        transfer.FetchChunk(BLOB.sha256, 0, 10),
        worker_link.Goodbye("bye"),
    ],
)
def test_what_is_packed_is_unpacked(message: msgspec.Struct) -> None:
    assert FROM_WORKER.unpack(pack(message, epoch=5)) == (message, b"", 5)


def test_a_result_comes_with_its_answer_where_it_is_small() -> None:
    most = worker_link.MAX_CONTENT_BYTES
    assert worker_link.answer(LEASE, Phase.PROVE, b"small").content == b"small"
    assert not worker_link.answer(LEASE, Phase.PROVE, bytes(most + 1)).content
    surplus = worker_link.Answer(LEASE, Phase.PROVE, BLOB, bytes(most + 1))
    with pytest.raises(UnknownField, match="content"):
        FROM_WORKER.unpack(pack(surplus))


def test_bulk_goes_beside_the_header() -> None:
    chunk = transfer.Chunk(BLOB.sha256, 0)
    assert FROM_WORKER.unpack(pack(chunk, b"bytes")) == (chunk, b"bytes", 0)
    with pytest.raises(WireError, match="with a bulk"):
        FROM_WORKER.unpack(pack(chunk))
    with pytest.raises(WireError, match="without a bulk"):
        FROM_WORKER.unpack([*pack(worker_link.Heartbeat(1)), b"surplus"])


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        ([], TooLarge),
        ([b"x", b"y", b"z"], TooLarge),
        ([bytes(MAX_HEADER_BYTES + 1)], TooLarge),
        ([header(GOOD)[0], bytes(MAX_BULK_BYTES + 1)], TooLarge),
        (header(GOOD, v=2), WrongVersion),
        (header(GOOD, v="1"), UnknownField),
        (header(GOOD, epoch=-1), UnknownField),
        (header(GOOD, epoch=2**40), UnknownField),
        (header(GOOD, extra=1), UnknownField),
        (header({**GOOD, "extra": 1}), UnknownField),
        (header({"type": "heartbeat"}), UnknownField),
        (header({"type": "heartbeat", "tick": -1}), UnknownField),
        (header({"type": "heartbeat", "tick": "3"}), UnknownField),
        (header({"type": "heartbeat", "tick": 2**31}), UnknownField),
        (header({"type": "welcome", "heartbeat_seconds": 1.0, "heartbeat_max_missed": 3}), UnknownField),
        (header([1, 2]), UnknownField),
        ([b""], WireError),
        ([b"\xc1"], WireError),
        ([header(GOOD)[0] + b"\x00"], WireError),
        ([header(GOOD)[0][:-1]], WireError),
        ([b"\x91" * 2000 + b"\xc0"], WireError),
        ([b"\xdd\xff\xff\xff\xff"], WireError),
        ([b"\x83\xa1v\x01\xa1v\x01\xa5epoch\x00"], DuplicateKey),
        ([msgpack.packb({"v": 1, "epoch": 0, "body": msgpack.ExtType(5, b"x")})], WireError),
        ([msgpack.packb({1: 2})], WireError),
        ([b"\x81\xa1\xff\x01"], WireError),
    ],
)
def test_hostile_headers_are_refused_with_their_reason(frames: list[bytes], error: type[WireError]) -> None:
    with pytest.raises(error):
        FROM_WORKER.unpack(frames)


@pytest.mark.parametrize(
    ("frames", "request_number"),
    [
        (header({"type": "show-job", "request": 7, "job": 3}), 7),
        (header({"type": "no-such-message", "request": 7}), 7),
        (header({"type": "ping", "request": 7}, v=2), 7),
        (header({"type": "ping", "request": 7}, epoch=-1), 7),
        ([*header({"type": "ping", "request": 7}), b"bulk"], 7),
        ([*header({"type": "ping", "request": 7}), bytes(MAX_BULK_BYTES + 1)], 7),
        *[(header({"type": "ping", "request": wrong}), None) for wrong in (-1, 2**31, "7", None, 7.0, True)],
        (header({"type": "ping"}), None),
        (header([7]), None),
        (header({"type": "ping", "request": 7}, extra=1), None),
        ([b"\xc1"], None),
    ],
)
def test_a_refusal_has_the_number_of_the_request_where_that_can_be_read(frames: list[bytes], request_number: int | None) -> None:
    with pytest.raises(WireError) as caught:
        Unpacker[msgspec.Struct](client_link.ClientSays).unpack(frames)
    assert caught.value.request == request_number


def test_our_own_side_does_not_send_what_the_other_refuses() -> None:
    with pytest.raises(TooLarge):
        pack(worker_link.Goodbye("x" * MAX_HEADER_BYTES))
    with pytest.raises(TooLarge):
        pack(transfer.Chunk(BLOB.sha256, 0), bytes(MAX_BULK_BYTES + 1))


@pytest.mark.parametrize("name", ["../../etc/passwd", "AB" * 32, "ab" * 31, "", "ab" * 32 + "\n"])
def test_names_of_blobs_are_checked_before_anyone_sees_them(name: str) -> None:
    with pytest.raises(UnknownField):
        FROM_WORKER.unpack(header({"type": "fetch-chunk", "blob": name, "offset": 0, "length": 1}))


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_wire_errors(content: bytes) -> None:
    with pytest.raises(WireError):
        FROM_WORKER.unpack([content])


@given(st.data())
def test_mutated_messages_raise_nothing_but_wire_errors(data: st.DataObject) -> None:
    content = bytearray(pack(worker_link.Progress(LEASE, Phase.PROVE, "commit", 0.5))[0])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        FROM_WORKER.unpack([bytes(content)])


class Bytes(Value, frozen=True):
    content: bytes


def test_records_stand_alone() -> None:
    trap = Trap("access", 2**64 - 1, "f", "ld", None)
    assert decode_record(encode_record(trap), Trap) == trap
    assert decode_record(encode_record(Bytes(b"\x00\xff")), Bytes) == Bytes(b"\x00\xff")
    with pytest.raises(UnknownField):
        decode_record(msgpack.packb({"content": "text"}), Bytes)
