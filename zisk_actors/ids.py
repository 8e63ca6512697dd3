"""Names of things: job, worker, program and blob identifiers, and how fresh ones are made.

Rules of this file:
* An identifier is a string with one fixed spelling; the pattern of each stands here once, and the wire checks it before anything else
  sees it.
* Identifiers are safe as file names by their patterns: no slash, no dot at the start, bounded length. They end with \\Z: `$` would let a
  newline follow.
* Making a fresh identifier needs randomness, so `core` never does it; the gateway and the processes at their start do.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from random import Random, SystemRandom
from typing import Final, NewType

JobId = NewType("JobId", str)
"""A random UUID in the usual hyphenated spelling."""

WorkerId = NewType("WorkerId", str)
"""Chosen by the operator, or made at the worker's start."""

Incarnation = NewType("Incarnation", str)
"""32 hex digits made anew by each start of a worker process, so that a restarted worker is never taken for the old one."""

BlobId = NewType("BlobId", str)
"""The SHA-256 of the content, 64 hex digits."""

ProgramId = NewType("ProgramId", str)
"""The SHA-256 of the ELF file: a program is named by its blob."""

JOB_PATTERN: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z"
WORKER_PATTERN: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\Z"
INCARNATION_PATTERN: Final = r"^[0-9a-f]{32}\Z"
BLOB_PATTERN: Final = r"^[0-9a-f]{64}\Z"
PARAMS_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,31}\Z"


CHANCE: Final[Random] = SystemRandom()
"""Where randomness comes from, unless it comes from a seed: ids must not repeat over processes and machines."""


def new_job_id(chance: Random = CHANCE) -> JobId:
    return JobId(str(_uuid4(chance)))


def new_worker_id(chance: Random = CHANCE) -> WorkerId:
    return WorkerId(_uuid4(chance).hex)


def new_incarnation(chance: Random = CHANCE) -> Incarnation:
    return Incarnation(_uuid4(chance).hex)


def new_key(chance: Random = CHANCE) -> str:
    """A key for requests that must not be carried out twice."""
    return _uuid4(chance).hex


def _uuid4(chance: Random) -> uuid.UUID:
    return uuid.UUID(int=chance.getrandbits(128), version=4)


def blob_id(content: bytes | memoryview) -> BlobId:
    return BlobId(hashlib.sha256(content).hexdigest())


def is_blob_id(text: str) -> bool:
    return re.match(BLOB_PATTERN, text) is not None
