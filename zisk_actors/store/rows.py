"""What the journal's rows say, and their checksums.

Rules of this file:
* The body of a row is the strict record of `wire.codec`. The head of an ended job is the little that is looked at without asking for the
  job; it is written from the same summary in the same moment.
* A checksum covers all that a row says.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import msgspec

from zisk_actors.core.job import JobRecord
from zisk_actors.core.summary import JobSummary, restore
from zisk_actors.ids import Incarnation, JobId, ProgramId, WorkerId
from zisk_actors.wire.codec import decode_record, encode_record
from zisk_actors.wire.values import State


class Head(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is known of an ended job without reading it."""

    client: str
    key: str
    state: State
    submitted_at: float
    ended_at: float
    faulty: bool


class Past(NamedTuple):
    """An ended job as the journal has it; its body is read when somebody asks for the job."""

    job: JobId
    head: Head
    body: bytes

    def record(self) -> JobRecord:
        """The job. Raises `WireError`, which a row that passed its checksum does not give."""
        summary: JobSummary = decode_record(self.body, JobSummary)
        return restore(summary)


class Ending(NamedTuple):
    """What is written with a job's last event: its summary, and whether its end is owed to the webhook."""

    summary: JobSummary
    notify: bool = False


class OwedEnd(NamedTuple):
    """An end that is owed to the webhook: tried so many times, and again at `next_at`."""

    job: JobId
    ended_at: float
    tries: int
    next_at: float


class Owner(NamedTuple):
    """A client that a program is kept for: what it calls it, and when it used it last, to the day."""

    client: str
    program: ProgramId
    name: str
    used_at: float


class Mark(NamedTuple):
    """A start of a worker that gave something wrong in a job that is forgotten."""

    worker: WorkerId
    incarnation: Incarnation
    job: JobId
    share: int
    reason: str


_HEAD = msgspec.msgpack.Decoder(Head)


def past_of(summary: JobSummary) -> Past:
    """The row of an ended job."""
    request = summary.submitted
    head = Head(request.client, request.key, summary.stage.state, request.at, summary.ended_at, bool(summary.faults))
    return Past(request.job, head, encode_record(summary))


def encode_head(head: Head) -> bytes:
    return msgspec.msgpack.encode(head)


def decode_head(content: bytes) -> Head:
    """Raises `msgspec.MsgspecError`."""
    return _HEAD.decode(content)


def checksum(*values: str | int | float | bytes) -> int:
    """Over all values of a row but those that the data base counts on itself."""
    return zlib.crc32(msgspec.msgpack.encode(values))


def checked(*values: str | int | float | bytes) -> tuple[str | int | float | bytes, ...]:
    """A row with its checksum."""
    return (*values, checksum(*values))


def checksum_before_4(job: str, *parts: bytes) -> int:
    """What a row of an event or of an ended job had up to format 3."""
    crc = zlib.crc32(job.encode("ascii", "replace"))
    for part in parts:
        crc = zlib.crc32(part, crc)
    return crc
