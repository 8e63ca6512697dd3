"""The journal's tables, and how an older journal becomes one of ours.

Formats, which each later release goes on reading:
* 1: events, programs, keys.
* 2: events of single shares.
* 3: `ended` has one row for each job that has ended, so that a start need not fold all its events; `live` says where the events of the
  others begin; `outbox` has the ends that are owed to the webhook; `marks` has who gave something wrong in jobs that are forgotten.

Rules of this file:
* An upgrade is one transaction: a journal is of one format or of another.
* Events go in at the end and leave in whole jobs; `seq` never comes back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.job import JobRecord, replay
from zisk_actors.core.job_events import Event, Submitted
from zisk_actors.core.summary import summarise
from zisk_actors.ids import JobId
from zisk_actors.store.errors import StoreCorrupt, StoreUnwritable
from zisk_actors.store.rows import Past, checksum, decode_head, encode_head, past_of
from zisk_actors.wire.codec import decode_record
from zisk_actors.wire.errors import WireError

FORMAT: Final = 3
READS: Final = (1, 2, 3)

TABLES: Final = """
create table if not exists facts (name text primary key, value text not null) strict;
create table if not exists events (seq integer primary key autoincrement, job text not null, body blob not null, crc integer not null)
  strict;
create table if not exists programs (program text primary key, name text not null, size integer not null, added_at real not null) strict;
create table if not exists keys (program text not null, params text not null, sha256 text not null, size integer not null,
  primary key (program, params)) strict;
create table if not exists live (job text primary key, first integer not null) strict, without rowid;
create table if not exists ended (number integer primary key autoincrement, job text not null unique, first integer not null,
  last integer not null, ended_at real not null, head blob not null, body blob not null, crc integer not null) strict;
create table if not exists outbox (job text primary key, ended_at real not null, tries integer not null, next_at real not null,
  state text not null, error text not null) strict;
create table if not exists marks (worker text primary key, incarnation text not null, job text not null, share integer not null,
  reason text not null) strict;
"""

INSERT_ENDED: Final = "insert into ended (job, first, last, ended_at, head, body, crc) values (?, ?, ?, ?, ?, ?, ?)"
LIVE_EVENTS: Final = (
    "select seq, job, body, crc from events where seq >= (select min(first) from live) and job in (select job from live) order by seq"
)
ALL_EVENTS: Final = "select seq, job, body, crc from events order by seq"

DAMAGED: Final = "`When the state is damaged` in docs/operations.md says how to go on"

_UNWRITABLE: Final = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_BUSY")


def disk_is_gone(error: sqlite3.Error) -> bool:
    """Whether it is the disk that does not do what it should, full, read-only or gone, and nothing is wrong with the journal."""
    return getattr(error, "sqlite_errorname", "").startswith(_UNWRITABLE)


def failure(error: sqlite3.Error, folder: Path) -> StoreCorrupt | StoreUnwritable:
    """What an error at the opening means: a disk that cannot be written is not a journal that is broken."""
    if disk_is_gone(error):
        return StoreUnwritable(f"cannot write the journal in {folder}: {error}", hint="the disk is full, read-only or gone")
    return StoreCorrupt(f"cannot open the journal in {folder}: {error}", hint=DAMAGED)


def prepare(base: sqlite3.Connection, folder: Path) -> int:
    """Make the tables or bring them to our format, and begin an epoch; its number. Raises `StoreCorrupt` and `sqlite3.Error`."""
    fresh = base.execute("select count(*) from sqlite_master").fetchone()[0] == 0
    if fresh:
        base.execute("pragma auto_vacuum=incremental")
    base.executescript("pragma journal_mode=wal; pragma synchronous=full; pragma journal_size_limit=16777216; " + TABLES)
    facts = dict(base.execute("select name, value from facts").fetchall())
    written = int(facts.get("format", FORMAT))
    if written not in READS:
        raise StoreCorrupt(f"the journal in {folder} has format {written} and this release reads {READS[0]} to {READS[-1]}")
    epoch = int(facts.get("epoch", 0)) + 1
    base.execute("begin immediate")
    try:
        if written < FORMAT:
            _upgrade(base)
        base.executemany("insert or replace into facts values (?, ?)", [("format", str(FORMAT)), ("epoch", str(epoch))])
        base.execute("commit")
    except BaseException:
        base.execute("rollback")
        raise
    if written < FORMAT:
        base.execute("pragma auto_vacuum=incremental")
        base.execute("vacuum")
    return epoch


def _upgrade(base: sqlite3.Connection) -> None:
    """Write the rows of ended and of live jobs, which older formats do not have."""
    for job, (first, last, events) in events_by_job(base, ALL_EVENTS).items():
        record = fold(job, first, events)
        if record.state.final:
            base.execute(INSERT_ENDED, ended_row(past_of(summarise(record)), first, last))
        else:
            base.execute("insert into live values (?, ?)", (job, first))


def events_by_job(base: sqlite3.Connection, statement: str) -> dict[JobId, tuple[int, int, list[Event]]]:
    """Events by job, with the first and the last row of each, jobs in order of submission. Raises `StoreCorrupt` that names the row."""
    jobs: dict[JobId, tuple[int, int, list[Event]]] = {}
    for seq, job, event in _events(base, statement):
        if job not in jobs and not isinstance(event, Submitted):
            raise StoreCorrupt(f"row {seq} of the journal is of job {job}, whose beginning is missing", hint=_what_to_do(job))
        first, _, events = jobs.get(job, (seq, seq, []))
        events.append(event)
        jobs[job] = (first, seq, events)
    return jobs


def _events(base: sqlite3.Connection, statement: str) -> Iterator[tuple[int, JobId, Event]]:
    for seq, job, body, crc in base.execute(statement):
        if checksum(job, body) != crc:
            raise StoreCorrupt(f"row {seq} of the journal, of job {job}, fails its checksum", hint=_what_to_do(job))
        try:
            event: Event = decode_record(body, Event)
        except WireError as error:
            raise StoreCorrupt(f"row {seq} of the journal, of job {job}, cannot be read: {error}", hint=_what_to_do(job)) from None
        yield seq, JobId(job), event


def fold(job: str, first: int, events: list[Event]) -> JobRecord:
    """The job that its events make. Raises `StoreCorrupt`."""
    try:
        return replay(events)
    except IllegalTransition as error:
        words = f"the events of job {job} from row {first} on are not those of a job: {error.message}"
        raise StoreCorrupt(words, hint=_what_to_do(job)) from None


def live_events(base: sqlite3.Connection) -> dict[JobId, tuple[int, list[Event]]]:
    """The events of jobs that have not ended, with the first row of each. Raises `StoreCorrupt`."""
    return {job: (first, events) for job, (first, _, events) in events_by_job(base, LIVE_EVENTS).items()}


def past_jobs(base: sqlite3.Connection) -> Iterator[Past]:
    """The jobs that have ended, in order of their ends. Raises `StoreCorrupt`."""
    for number, job, head, body, crc in base.execute("select number, job, head, body, crc from ended order by number"):
        if checksum(job, head, body) != crc:
            raise StoreCorrupt(f"row {number} of the ended jobs, of job {job}, fails its checksum", hint=_what_to_do(job))
        yield Past(JobId(job), decode_head(head), body)


def ended_row(past: Past, first: int, last: int) -> tuple[object, ...]:
    """The values of `INSERT_ENDED`."""
    head = encode_head(past.head)
    return (past.job, first, last, past.head.ended_at, head, past.body, checksum(past.job, head, past.body))


def _what_to_do(job: str) -> str:
    return f"`zisk-coordinator --check-state` lists all damage; `--set-aside {job}` starts without this job and keeps its rows"
