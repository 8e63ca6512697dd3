"""What is wrong with a journal, and how to go on without the jobs that cannot be read.

Rules of this file:
* Looking changes nothing. Setting aside deletes nothing: the rows of a job go to the table `set_aside` of the same file, as they are.
* For a coordinator that does not run; the lock on the folder sees to that.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.job import replay
from zisk_actors.core.job_events import Event
from zisk_actors.core.summary import JobSummary
from zisk_actors.errors import NotFoundError
from zisk_actors.store.journal import lock_folder
from zisk_actors.store.rows import checksum, decode_head
from zisk_actors.store.schema import TABLES, failure
from zisk_actors.wire.codec import decode_record
from zisk_actors.wire.errors import WireError

SET_ASIDE: Final = (
    "create table if not exists set_aside (place text not null, number integer not null, job text not null, head blob,"
    " body blob not null, crc integer not null) strict"
)


class Damage(NamedTuple):
    """A job that cannot be read, and why."""

    job: str
    reason: str


class Checked(NamedTuple):
    """What is in a journal."""

    jobs: int
    ended: int
    damages: list[Damage]


def check(folder: Path) -> Checked:
    """Look at every row. Raises `StoreLocked`, `StoreUnwritable`, and `StoreCorrupt` where the file is no journal."""
    with _open(folder) as base:
        return _check(base)


def set_aside(folder: Path, job: str) -> int:
    """Move all rows of a job out of the way; how many. Raises `NotFoundError` where there are none, and what `check` raises."""
    with _open(folder) as base:
        base.execute("begin immediate")
        base.execute(SET_ASIDE)
        moved = base.execute("insert into set_aside select 'events', seq, job, null, body, crc from events where job = ?", (job,)).rowcount
        ended = "insert into set_aside select 'ended', number, job, head, body, crc from ended where job = ?"
        moved += base.execute(ended, (job,)).rowcount
        if not moved:
            raise NotFoundError(
                f"the journal in {folder} has no rows of job {job[:60]}", hint="`zisk-coordinator --check-state` lists them"
            )
        for table in ("events", "ended", "live", "outbox"):
            base.execute(f"delete from {table} where job = ?", (job,))
        base.execute("commit")
        return moved


@contextmanager
def _open(folder: Path) -> Iterator[sqlite3.Connection]:
    """The data base, in whatever format it is; what is not committed at the end has not happened."""
    path = folder / "journal.sqlite"
    if not path.exists():
        raise NotFoundError(f"there is no journal in {folder}", hint="store.folder says where the state is")
    lock = lock_folder(folder)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as base:
            base.executescript(TABLES)
            yield base
    except sqlite3.Error as error:
        raise failure(error, folder) from None
    finally:
        os.close(lock)


def _check(base: sqlite3.Connection) -> Checked:
    damages: dict[str, str] = {}
    events: dict[str, list[Event]] = {}
    for seq, job, body, crc in base.execute("select seq, job, body, crc from events order by seq"):
        try:
            if checksum(job, body) != crc:
                raise WireError("its checksum is wrong")
            events.setdefault(job, []).append(decode_record(body, Event))
        except WireError as error:
            damages.setdefault(job, f"event {seq}: {error.message}")
    ended = 0
    for number, job, head, body, crc in base.execute("select number, job, head, body, crc from ended order by number"):
        ended += 1
        try:
            if checksum(job, head, body) != crc:
                raise WireError("its checksum is wrong")
            decode_head(head)
            decode_record(body, JobSummary)
        except (WireError, msgspec.MsgspecError) as error:
            damages.setdefault(job, f"row {number} of the ended jobs: {error}")
    for job, history in events.items():
        try:
            replay(history)
        except IllegalTransition as error:
            damages.setdefault(job, f"its events are not those of a job: {error.message}")
    jobs = base.execute("select count(*) from (select job from events union select job from ended)").fetchone()[0]
    return Checked(jobs, ended, [Damage(job, reason) for job, reason in damages.items()])
