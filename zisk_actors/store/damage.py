"""What is wrong with a journal, and how to go on without what cannot be read.

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
from zisk_actors.core.job_events import JobEvent
from zisk_actors.core.summary import JobSummary
from zisk_actors.errors import NotFoundError
from zisk_actors.store import high_water, identity, schema
from zisk_actors.store.changes import transaction
from zisk_actors.store.errors import StoreCorrupt
from zisk_actors.store.high_water import HighWaterMark
from zisk_actors.store.journal import lock_folder
from zisk_actors.store.rows import checksum, checksum_before_4, decode_head
from zisk_actors.store.upgrade import list_jobs
from zisk_actors.wire.codec import decode_record
from zisk_actors.wire.errors import WireError

SET_ASIDE: Final = (
    "create table if not exists set_aside (place text not null, number integer not null, job text not null, head blob,"
    " body blob not null, crc integer not null) strict"
)


class Damage(NamedTuple):
    """A job that cannot be read, and why; without a job, what is wrong with the journal itself."""

    job: str
    reason: str


class Checked(NamedTuple):
    """What is in a journal."""

    jobs: int
    ended: int
    damages: list[Damage]


def check(folder: Path) -> Checked:
    """Look at every row. Raises `StoreLocked`, `StoreUnwritable`, and `StoreCorrupt` or `JournalFormat` where the file is no journal."""
    with _open(folder) as (base, written):
        return _check(base, written)


def set_aside(folder: Path, job: str) -> int:
    """Move all rows of a job out of the way; how many. Raises `NotFoundError` where there are none, and what `check` raises."""
    with _open(folder) as (base, written), transaction(base):
        if not (moved := _set_aside(base, written, job)):
            raise NotFoundError(
                f"the journal in {folder} has no rows of job {job[:60]}", hint="`zisk-coordinator --check-state` lists them"
            )
        return moved


def accept_loss(folder: Path) -> list[str]:
    """Make the journal one that a coordinator starts on, whatever was lost: jobs that cannot be read are set aside, lists that can be made
    again from events are, and what the journal was before is forgotten. What was done, in words. Raises what `check` raises."""
    done = []
    path, mark = folder / "journal.sqlite", high_water.beside(folder)
    mark.unlink(missing_ok=True)
    if not path.exists() or not path.stat().st_size:
        return [f"there is no journal in {folder}: the next start makes one, which knows of no job"]
    with _open(folder) as (base, written):
        found = _check(base, written)
        with transaction(base):
            for damage in found.damages:
                done.append(f"{f'job {damage.job}' if damage.job else 'the journal'}: {damage.reason}")
                if damage.job:
                    _set_aside(base, written, damage.job)
            if written == schema.FORMAT:
                _mend(base)
        if written == schema.FORMAT:
            HighWaterMark(mark, identity.reached(base)).close()
    return [*done, f"the journal in {folder} is taken as it is, with {found.jobs} jobs"]


@contextmanager
def _open(folder: Path) -> Iterator[tuple[sqlite3.Connection, int]]:
    """The data base, in whatever format it is, and that format; what is not committed at the end has not happened."""
    path = folder / "journal.sqlite"
    if not path.exists():
        raise NotFoundError(f"there is no journal in {folder}", hint="store.folder says where the state is")
    lock = lock_folder(folder)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as base:
            written = schema.format_of(base, folder)
            if written == schema.FORMAT:
                schema.check_tables(base, folder)
            yield base, written
    except schema.UNREADABLE as error:
        raise schema.failure(error, folder) from None
    finally:
        os.close(lock)


def _check(base: sqlite3.Connection, written: int) -> Checked:
    damages: dict[str, str] = {}
    events: dict[str, list[JobEvent]] = {}
    tables = schema.tables_of(base)
    for seq, job, body, crc in base.execute(schema.ALL_EVENTS) if "events" in tables else ():
        try:
            if (checksum(seq, job, body) if written == schema.FORMAT else checksum_before_4(job, body)) != crc:
                raise WireError("its checksum is wrong")
            events.setdefault(job, []).append(decode_record(body, JobEvent))
        except WireError as error:
            damages.setdefault(job, f"event {seq}: {error.message}")
    ended = 0
    for number, job, *values, crc in base.execute("select * from ended order by number") if "ended" in tables else ():
        ended += 1
        try:
            if (checksum(job, *values) if written == schema.FORMAT else checksum_before_4(job, *values[3:])) != crc:
                raise WireError("its checksum is wrong")
            decode_head(values[3])
            decode_record(values[4], JobSummary)
        except (WireError, msgspec.MsgspecError) as error:
            damages.setdefault(job, f"row {number} of the ended jobs: {error}")
    for job, history in events.items():
        try:
            replay(history)
        except IllegalTransition as error:
            damages.setdefault(job, f"its events are not those of a job: {error.message}")
    found = [Damage(job, reason) for job, reason in damages.items()]
    if written == schema.FORMAT:
        found += [Damage("", reason) for reason in _of_lists(base, told=bool(found))]
    jobs = len({job for table in ("events", "ended") if table in tables for (job,) in base.execute(f"select distinct job from {table}")})
    return Checked(jobs, ended, found)


def _of_lists(base: sqlite3.Connection, *, told: bool) -> Iterator[str]:
    """What is wrong with what is no job's own; where rows were `told`, not that the sum of their table is another one for that."""
    for table in ("live", "outbox", "marks", "programs", "owners", "keys"):
        try:
            schema.rows_of(base, table)
        except StoreCorrupt as error:
            told = True
            yield error.message
    try:
        yield from schema.missing_rows(base, only_counts=told)
    except StoreCorrupt as error:
        yield error.message
    yield from (words for (words,) in base.execute("pragma integrity_check(20)") if words != "ok")


def _set_aside(base: sqlite3.Connection, written: int, job: str) -> int:
    tables = schema.tables_of(base)
    base.execute(SET_ASIDE)
    moved = base.execute("insert into set_aside select 'events', seq, job, null, body, crc from events where job = ?", (job,)).rowcount
    if "ended" in tables:
        ended = "insert into set_aside select 'ended', number, job, head, body, crc from ended where job = ?"
        moved += base.execute(ended, (job,)).rowcount
    for table in sorted({"events", "ended", "live", "outbox"} & tables):
        base.execute(f"delete from {table} where job = ?", (job,))
    if written == schema.FORMAT:
        schema.note_sums(base, schema.sums_of(base))
    return moved


def _mend(base: sqlite3.Connection) -> None:
    """Make the list of live jobs again from the events, and the rows of ended ones that are missing; drop rows that cannot be read."""
    for table in ("outbox", "marks", "programs", "owners", "keys"):
        for number, *values, crc in base.execute(f"select rowid, * from {table}").fetchall():
            if checksum(*values) != crc:
                base.execute(f"delete from {table} where rowid = ?", (number,))
    base.execute("delete from live")
    list_jobs(base, schema.events_by_job(base, schema.ALL_EVENTS))
    schema.note_sums(base, schema.sums_of(base))
