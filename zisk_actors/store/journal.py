"""The journal: every event of every job, in order, on disk before anyone is told; the summary of each job that has ended; the programs
with their keys; and the ends that are owed to the webhook.

Rules of this file:
* `append` returns when the events are on disk (SQLite, WAL, synchronous=FULL) and not before. Many in one call cost one flush. A job's
  last event, its summary and what is owed for it are one transaction.
* Rows are never changed. Each carries a checksum over its content; a row that fails it stops the start, by name. A job that is forgotten
  leaves with all its rows, and the file gives the room back little by little.
* One process at a time: the lock on the folder dies with its holder, however it dies.
* Each opening is an epoch, numbered from 1, and kept.
* These are plain blocking calls from one thread at a time. The tables are in `schema.py`, what is in a row in `rows.py`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from zisk_actors.core.job import JobRecord
from zisk_actors.core.job_events import Event
from zisk_actors.core.summary import JobSummary
from zisk_actors.ids import Incarnation, JobId, ProgramId, WorkerId
from zisk_actors.store import schema
from zisk_actors.store.errors import StoreCorrupt, StoreLocked, StoreUnwritable
from zisk_actors.store.rows import Ending, Mark, Notice, Past, checksum, decode_head, past_of
from zisk_actors.wire.codec import decode_record, encode_record
from zisk_actors.wire.values import BlobRef, ProgramStatus

FREED_PAGES: Final = 256
"""Of the file that are given back after jobs are forgotten: a megabyte at a time."""
MAX_MARKS: Final = 10_000


class Recalled(NamedTuple):
    """What a start has to know: jobs that have not ended, in order of submission; those that have; who is marked from forgotten ones."""

    live: list[JobRecord]
    ended: list[Past]
    marks: list[Mark]


class Journal:
    """An open journal in a folder of its own. Raises `StoreLocked`, `StoreUnwritable` and `StoreCorrupt` from its constructor."""

    def __init__(self, folder: Path) -> None:
        self._lock = lock_folder(folder)
        try:
            self._base = self.connect(folder)
            try:
                self.epoch = schema.prepare(self._base, folder)
                self._first = {JobId(job): int(first) for job, first in self._base.execute("select job, first from live")}
                self._seq = int(self._base.execute("select coalesce(max(seq), 0) from sqlite_sequence where name = 'events'").fetchone()[0])
            except BaseException:
                self._base.close()
                raise
        except sqlite3.Error as error:
            os.close(self._lock)
            raise schema.failure(error, folder) from None
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Closing twice is the same as once."""
        self._base.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def connect(self, folder: Path) -> sqlite3.Connection:
        """The data base in a folder."""
        return sqlite3.connect(folder / "journal.sqlite", isolation_level=None, check_same_thread=False)

    def check_writable(self) -> None:
        """Write something that nobody reads. Raises `StoreUnwritable`."""
        with self._writing() as base:
            base.execute("insert or replace into facts values ('tried', ?)", (str(self._seq),))

    # ------------------------------------------------------------------------------------------------------------------ jobs

    def append(self, rows: Sequence[tuple[JobId, Event]], endings: Sequence[Ending] = ()) -> None:
        """Write events, and with them what is kept of the jobs that end, all or none. Raises `StoreUnwritable`."""
        bodies = [(job, body) for job, event in rows for body in [encode_record(event)]]
        numbered = [(self._seq + 1 + index, job, body, checksum(job, body)) for index, (job, body) in enumerate(bodies)]
        first = {job: seq for seq, job, _, _ in reversed(numbered) if job not in self._first}
        last = {job: seq for seq, job, _, _ in numbered}
        ended = []
        for summary, _ in endings:
            past = past_of(summary)
            ended.append(schema.ended_row(past, first.get(past.job) or self._first.get(past.job, 0), last.get(past.job, self._seq)))
        owed = [(end.summary.submitted.job, end.summary.ended_at, end.summary.ended_at) for end in endings if end.notify]
        over = {end.summary.submitted.job for end in endings}
        with self._writing() as base:
            base.executemany("insert into events (seq, job, body, crc) values (?, ?, ?, ?)", numbered)
            base.executemany("insert or ignore into live values (?, ?)", [(job, seq) for job, seq in first.items() if job not in over])
            if endings:
                base.executemany(schema.INSERT_ENDED, ended)
                base.executemany("delete from live where job = ?", [(job,) for job in over])
                base.executemany("insert or ignore into outbox values (?, ?, 0, ?, 'pending', '')", owed)
        self._seq += len(numbered)
        self._first |= first
        for job in over:
            self._first.pop(job, None)

    def read(self) -> dict[JobId, list[Event]]:
        """All events by job, jobs in order of submission. Raises `StoreCorrupt` that names the row."""
        with self._reading() as base:
            return {job: events for job, (_, _, events) in schema.events_by_job(base, schema.ALL_EVENTS).items()}

    def recall(self) -> Recalled:
        """What a start needs, without the events of jobs that have ended. Raises `StoreCorrupt` that names the row."""
        with self._reading() as base:
            live = [schema.fold(job, first, events) for job, (first, events) in schema.live_events(base).items()]
            marks = [
                Mark(WorkerId(worker), Incarnation(start), JobId(job), share, reason)
                for worker, start, job, share, reason in base.execute("select worker, incarnation, job, share, reason from marks")
            ]
            return Recalled(live, list(schema.past_jobs(base)), marks)

    def forget(self, jobs: Sequence[JobId]) -> list[JobId]:
        """Remove ended jobs with all their rows; who was faulty in them stays marked. Jobs whose end is still owed to the
        webhook, and such as have not ended, stay; returns those that went. One transaction: give it a few at a time. Raises
        `StoreUnwritable`."""
        gone: list[JobId] = []
        with self._writing() as base:
            for job in jobs:
                row = base.execute("select first, last, head, body from ended where job = ?", (job,)).fetchone()
                owed = base.execute("select 1 from outbox where job = ? and state = 'pending'", (job,)).fetchone()
                if row is None or owed is not None:
                    continue
                if decode_head(row[2]).faulty:
                    self._mark(base, job, decode_record(row[3], JobSummary))
                base.execute("delete from events where seq between ? and ? and job = ?", (row[0], row[1], job))
                base.execute("delete from ended where job = ?", (job,))
                base.execute("delete from outbox where job = ?", (job,))
                gone.append(job)
            base.execute("delete from marks where rowid <= (select max(rowid) from marks) - ?", (MAX_MARKS,))
        with contextlib.suppress(sqlite3.Error):  # room that is not given back now is used again
            self._base.executescript(f"pragma incremental_vacuum({FREED_PAGES})")  # `execute` would free one page only
        return gone

    def _mark(self, base: sqlite3.Connection, job: JobId, summary: JobSummary) -> None:
        for fault in summary.faults:
            tried = fault.attempt
            row = (tried.worker, fault.incarnation, job, tried.share, tried.reason)
            base.execute("insert or replace into marks values (?, ?, ?, ?, ?)", row)

    # --------------------------------------------------------------------------------------------------------------- webhook

    def owed(self) -> list[Notice]:
        """The ends that the webhook has not been told of, the oldest first."""
        with self._reading() as base:
            rows = base.execute("select job, ended_at, tries, next_at from outbox where state = 'pending' order by ended_at, job")
            return [Notice(JobId(job), ended_at, tries, next_at) for job, ended_at, tries, next_at in rows]

    def tried(self, notice: Notice, state: str, error: str) -> None:
        """Note how a delivery went: `pending` is tried again at `next_at`, `delivered` and `given-up` are not. Raises `StoreUnwritable`."""
        statement = "update outbox set tries = ?, next_at = ?, state = ?, error = ? where job = ?"
        self._write(statement, (notice.tries, notice.next_at, state, error[:4000], notice.job))

    # -------------------------------------------------------------------------------------------------------------- programs

    def add_program(self, program: BlobRef, name: str, at: float) -> None:
        """Keep a program; a second time changes nothing but an empty name."""
        statement = (
            "insert into programs values (?, ?, ?, ?) on conflict (program) do update set "
            "name = case when programs.name = '' then excluded.name else programs.name end"
        )
        self._write(statement, (program.sha256, name, program.size, at))

    def add_key(self, program: str, params: str, key: BlobRef) -> None:
        self._write("insert or replace into keys values (?, ?, ?, ?)", (program, params, key.sha256, key.size))

    def programs(self) -> list[ProgramStatus]:
        """The programs, oldest first, with their keys. Raises `StoreCorrupt` and `StoreUnwritable`."""
        keys: dict[str, dict[str, BlobRef]] = {}
        with self._reading() as base:
            for program, params, sha256, size in base.execute("select program, params, sha256, size from keys"):
                keys.setdefault(program, {})[params] = BlobRef(sha256, size)
            rows = base.execute("select program, name, size, added_at from programs order by added_at, program").fetchall()
        return [
            ProgramStatus(program=ProgramId(program), name=name, size=size, added_at=at, keys=keys.get(program, {}))
            for program, name, size, at in rows
        ]

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._base.execute(statement, values)
        except sqlite3.Error as error:
            raise StoreUnwritable(f"cannot write the journal: {error}") from None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction. Raises `StoreUnwritable`, and then nothing has changed."""
        try:
            self._base.execute("begin immediate")
            try:
                yield self._base
                self._base.execute("commit")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._base.execute("rollback")
                raise
        except sqlite3.Error as error:
            raise StoreUnwritable(f"cannot write the journal: {error}") from None

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Raises `StoreCorrupt` where the file itself is damaged, and `StoreUnwritable` where the disk is gone."""
        try:
            yield self._base
        except sqlite3.Error as error:
            if schema.disk_is_gone(error):
                raise StoreUnwritable(f"cannot read the journal: {error}", hint="the disk is gone, or a part of it") from None
            raise StoreCorrupt(f"cannot read the journal: {error}", hint=schema.DAMAGED) from None


def lock_folder(folder: Path) -> int:
    """The lock on a journal's folder, which holds as long as this file is open. Raises `StoreLocked` and `StoreUnwritable`."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreUnwritable(f"cannot use {folder} for the journal: {error}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StoreLocked(f"another coordinator uses {folder}", hint="stop it first, or give this one another state folder") from None
    return lock
