"""The journal: every event of every job, in order, on disk before anyone is told; the summary of each job that has ended; the programs
with their keys; and the ends that are owed to the webhook.

Rules of this file:
* `append` returns when the events are on disk (SQLite, WAL, synchronous=FULL) and not before. Many in one call cost one flush. A job's
  last event, its summary and what is owed for it are one transaction.
* A row is replaced, never changed. Each carries a checksum over its content, and each table the sum of them: a row that was changed,
  removed or added by somebody else stops the start, by name. A job that is forgotten leaves with all its rows, and the file gives the room
  back little by little.
* The journal has an identity, and says outside its folder how far it has come (`high_water.py`). One that is not the one that was here is
  refused; one that is removed or exchanged while we run takes nothing any more.
* One process at a time: the lock on the folder dies with its holder, however it dies.
* Each opening is an epoch, numbered from 1, and kept.
* These are plain blocking calls from one thread at a time. The tables are in `schema.py`, what is in a row in `rows.py`, a transaction in
  `changes.py`, older formats in `upgrade.py`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from zisk_actors.core.job import JobRecord
from zisk_actors.core.job_events import JobEvent
from zisk_actors.core.summary import JobSummary
from zisk_actors.ids import BlobId, Incarnation, JobId, ProgramId, WorkerId
from zisk_actors.store import high_water, identity, schema
from zisk_actors.store.changes import Changes, transaction
from zisk_actors.store.errors import JournalReplaced, StoreCorrupt, StoreLocked, StoreUnwritable
from zisk_actors.store.files import inode
from zisk_actors.store.high_water import HighWaterMark, Reached
from zisk_actors.store.rows import Ending, Mark, OwedEnd, Owner, Past, checked, decode_head, past_of
from zisk_actors.store.upgrade import upgrade
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
    """An open journal in a folder of its own. Its constructor raises `StoreLocked`, `StoreUnwritable`, `StoreCorrupt`, `JournalFormat` and
    `JournalMismatch`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = lock_folder(folder)
        self._mark: HighWaterMark | None = None
        try:
            marked = high_water.read(high_water.beside(folder))
            identity.refuse_lost(marked, next(iter(self.files(folder)), None))
            self._base = self.connect(folder)
            try:
                self._open(marked)
            except BaseException:
                self.close()
                raise
        except schema.UNREADABLE as error:
            self._unlock()
            raise schema.failure(error, folder) from None
        except BaseException:
            self._unlock()
            raise

    def _open(self, marked: Reached | None) -> None:
        """Make the tables or bring them to our format, hold them against what was marked, and begin an epoch."""
        base, folder = self._base, self._folder
        written = schema.format_of(base, folder)
        if not written:
            base.execute("pragma auto_vacuum=incremental")
        for pragma in ("journal_mode=wal", "synchronous=full", "journal_size_limit=16777216"):
            base.execute(f"pragma {pragma}").fetchall()
        if written == schema.FORMAT:
            schema.check_tables(base, folder)
            was = identity.reached(base)
            identity.compare(marked, was, base, folder)
        else:  # nothing is promised under the new identity before the tables are there
            was = Reached(secrets.token_hex(16), int(identity.facts(base).get("epoch", 0)) if written else 0)
            self._mark = HighWaterMark(high_water.beside(folder), was._replace(epoch=0))
        self.epoch = was.epoch + 1
        with transaction(base):
            if not written:
                base.execute(schema.FACTS)
                for table in schema.COLUMNS:
                    base.execute(schema.make_table(table))
            elif written < schema.FORMAT:
                upgrade(base, written)
            if written < schema.FORMAT:
                schema.note_sums(base, schema.sums_of(base))
            facts = {"format": schema.FORMAT, "epoch": self.epoch, "identity": was.identity}
            base.executemany("insert or replace into facts values (?, ?)", [(name, str(value)) for name, value in facts.items()])
        if 0 < written < schema.FORMAT:
            base.execute("pragma auto_vacuum=incremental")
            base.execute("vacuum")
        self._first = {JobId(job): int(first) for job, first in base.execute("select job, first from live")}
        self._sums = schema.noted_sums(base)
        self._reached = identity.reached(base)
        if self._mark is not None:
            self._mark.close()
        self._mark = HighWaterMark(high_water.beside(folder), self._reached)
        self._inodes = [inode(path) for path in self.files(folder)]
        self._replaced = ""

    def close(self) -> None:
        """Closing twice is the same as once."""
        self._base.close()
        if self._mark is not None:
            self._mark.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def files(self, folder: Path) -> list[Path]:
        """The files that must stay as long as we run, the data base first; none where it is no file."""
        return [folder / "journal.sqlite", folder / "journal.sqlite-wal"]

    def connect(self, folder: Path) -> sqlite3.Connection:
        """The data base in a folder."""
        return sqlite3.connect(folder / "journal.sqlite", isolation_level=None, check_same_thread=False)

    def check(self) -> None:
        """Whether the journal on the disk is still this one, as far as we have come; reads a few rows, and writes the mark. Raises
        `JournalReplaced` where it is not, and `StoreUnwritable`."""
        self._check_files()
        try:
            with contextlib.closing(self.connect(self._folder)) as fresh:
                found = identity.reached(fresh)
        except (*schema.UNREADABLE, StoreCorrupt) as error:
            if schema.disk_is_gone(error):
                raise StoreUnwritable(f"cannot read the journal: {error}") from None
            self._replaced = f"what is in the journal's file is not what was written: {error}"
        else:
            self._replaced = "" if identity.same(found, self._reached) else "the content of the journal's file was exchanged"
        self._check_files()
        if self._mark is not None:
            self._mark.sync()

    def _check_files(self) -> None:
        gone = [path for path, was in zip(self.files(self._folder), self._inodes, strict=True) if inode(path) != was]
        if gone or self._replaced:
            raise JournalReplaced(
                self._replaced or f"{gone[0]} was removed or exchanged while the coordinator runs",
                hint="nothing new is taken, and nothing is told that is not in it; put the file back as it was, or restart",
            )

    def check_writable(self) -> None:
        """Write something that nobody reads. Raises `StoreUnwritable`."""
        self.check()
        with self._writing() as changes:
            changes.base.execute("insert or replace into facts values ('tried', ?)", (str(self._reached.seq),))

    # ------------------------------------------------------------------------------------------------------------------ jobs

    def append(self, rows: Sequence[tuple[JobId, JobEvent]], endings: Sequence[Ending] = ()) -> None:
        """Write events, and with them what is kept of the jobs that end, all or none. Raises `StoreUnwritable`."""
        bodies = [(job, body) for job, event in rows for body in [encode_record(event)]]
        before = self._reached.seq
        numbered = [(before + 1 + index, job, body) for index, (job, body) in enumerate(bodies)]
        rows_ = [checked(*row) for row in numbered]
        first = {job: seq for seq, job, _ in reversed(numbered) if job not in self._first}
        last = {job: seq for seq, job, _ in numbered}
        ended = []
        for summary, _ in endings:
            past = past_of(summary)
            ended.append(schema.ended_row(past, first.get(past.job) or self._first.get(past.job, 0), last.get(past.job, before)))
        over = {end.summary.submitted.job for end in endings}
        with self._writing() as changes:
            changes.insert("events", rows_)
            changes.insert("live", [checked(job, seq) for job, seq in first.items() if job not in over])
            changes.insert("ended", ended)
            for job in over:
                changes.remove("live", "job = ?", (job,))
            changes.insert("outbox", [_owed_row(_notice_of(end)) for end in endings if end.notify])
        if rows_:
            self._reached = self._reached._replace(seq=before + len(rows_), crc=int(rows_[-1][-1]))
            if self._mark is not None:
                self._mark.note(self._reached)
        self._first |= first
        for job in over:
            self._first.pop(job, None)

    def read(self) -> dict[JobId, list[JobEvent]]:
        """All events by job, jobs in order of submission. Raises `StoreCorrupt` that names the row."""
        with self._reading() as base:
            return {job: events for job, (_, _, events) in schema.events_by_job(base, schema.ALL_EVENTS).items()}

    def recall(self) -> Recalled:
        """What a start needs, without the events of jobs that have ended. Raises `StoreCorrupt` that names the row."""
        with self._reading() as base:
            live = [schema.fold(job, first, events) for job, (first, events) in schema.live_events(base).items()]
            ended = list(schema.past_jobs(base))
            marks = [
                Mark(WorkerId(str(worker)), Incarnation(str(start)), JobId(str(job)), int(share), str(reason))
                for worker, start, job, share, reason in schema.rows_of(base, "marks")
            ]
            if missing := schema.missing_rows(base):
                raise StoreCorrupt(f"the journal has lost rows: {missing[0]}", hint=schema.DAMAGED)
            return Recalled(live, ended, marks)

    def forget(self, jobs: Sequence[JobId]) -> list[JobId]:
        """Remove ended jobs with all their rows; who was faulty in them stays marked. Jobs whose end is still owed to the
        webhook, and such as have not ended, stay; returns those that went. One transaction: give it a few at a time. Raises
        `StoreUnwritable`."""
        gone: list[JobId] = []
        with self._writing() as changes:
            for job in jobs:
                row = changes.base.execute("select first, last, head, body from ended where job = ?", (job,)).fetchone()
                owed = changes.base.execute("select 1 from outbox where job = ? and state = 'pending'", (job,)).fetchone()
                if row is None or owed is not None:
                    continue
                if decode_head(row[2]).faulty:
                    self._keep_marks(changes, job, decode_record(row[3], JobSummary))
                changes.remove("events", "seq between ? and ? and job = ?", (row[0], row[1], job))
                changes.remove("ended", "job = ?", (job,))
                changes.remove("outbox", "job = ?", (job,))
                gone.append(job)
            changes.remove("marks", "rowid <= (select max(rowid) from marks) - ?", (MAX_MARKS,))
        with contextlib.suppress(sqlite3.Error):  # room that is not given back now is used again
            self._base.executescript(f"pragma incremental_vacuum({FREED_PAGES})")  # `execute` would free one page only
        return gone

    def _keep_marks(self, changes: Changes, job: JobId, summary: JobSummary) -> None:
        for fault in summary.faults:
            tried = fault.attempt
            changes.remove("marks", "worker = ?", (tried.worker,))
            changes.insert("marks", [checked(tried.worker, fault.incarnation, job, tried.share, tried.reason)])

    # --------------------------------------------------------------------------------------------------------------- webhook

    def owed(self) -> list[OwedEnd]:
        """The ends that the webhook has not been told of, the oldest first. Raises `StoreCorrupt` and `StoreUnwritable`."""
        with self._reading() as base:
            rows = schema.rows_of(base, "outbox")
        notices = [
            OwedEnd(JobId(str(job)), float(ended_at), int(tries), float(next_at))
            for job, ended_at, tries, next_at, state, _ in rows
            if state == "pending"
        ]
        return sorted(notices, key=lambda notice: (notice.ended_at, notice.job))

    def tried(self, notice: OwedEnd, state: str, error: str) -> None:
        """Note how a delivery went: `pending` is tried again at `next_at`, `delivered` and `given-up` are not. Raises `StoreUnwritable`."""
        with self._writing() as changes:
            if changes.remove("outbox", "job = ?", (notice.job,)):
                changes.insert("outbox", [_owed_row(notice, state, error[:4000])])

    # -------------------------------------------------------------------------------------------------------------- programs

    def add_program(self, program: BlobRef, owner: Owner) -> None:
        """Keep a program for a client, in place of what was known of the two. Raises `StoreUnwritable`."""
        with self._writing() as changes:
            if changes.base.execute("select 1 from programs where program = ?", (program.sha256,)).fetchone() is None:
                changes.insert("programs", [checked(program.sha256, program.size, float(owner.used_at))])
            changes.remove("owners", "client = ? and program = ?", (owner.client, program.sha256))
            changes.insert("owners", [checked(owner.client, program.sha256, owner.name, float(owner.used_at))])

    def remove_owners(self, owners: Sequence[Owner]) -> list[ProgramId]:
        """Keep programs for these clients no longer. Those that are kept for nobody then are forgotten, with their keys: which they are.
        Raises `StoreUnwritable`."""
        gone: list[ProgramId] = []
        with self._writing() as changes:
            for owner in owners:
                changes.remove("owners", "client = ? and program = ?", (owner.client, owner.program))
                if changes.base.execute("select 1 from owners where program = ?", (owner.program,)).fetchone() is None:
                    changes.remove("programs", "program = ?", (owner.program,))
                    changes.remove("keys", "program = ?", (owner.program,))
                    gone.append(owner.program)
        return gone

    def add_key(self, program: str, params: str, key: BlobRef) -> None:
        """Keep a program's verifying key for a parameter set, in place of an earlier one. Raises `StoreUnwritable`."""
        with self._writing() as changes:
            changes.remove("keys", "program = ? and params = ?", (program, params))
            changes.insert("keys", [checked(program, params, key.sha256, key.size)])

    def programs(self) -> tuple[list[ProgramStatus], list[Owner]]:
        """The programs, oldest first, with their keys and without names, and for whom they are kept. Raises `StoreCorrupt` and
        `StoreUnwritable`."""
        keys: dict[str, dict[str, BlobRef]] = {}
        with self._reading() as base:
            for program, params, sha256, size in schema.rows_of(base, "keys"):
                keys.setdefault(str(program), {})[str(params)] = BlobRef(BlobId(str(sha256)), int(size))
            rows = schema.rows_of(base, "programs")
            owners = [
                Owner(str(client), ProgramId(str(program)), str(name), float(at))
                for client, program, name, at in schema.rows_of(base, "owners")
            ]
        found = [
            ProgramStatus(program=ProgramId(str(program)), name="", size=int(size), added_at=float(at), keys=keys.get(str(program), {}))
            for program, size, at in rows
        ]
        return sorted(found, key=lambda program: (program.added_at, program.program)), owners

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Changes]:
        """One transaction. Raises `StoreUnwritable`, and then nothing has changed."""
        self._check_files()
        try:
            with transaction(self._base):
                changes = Changes(self._base, self._sums)
                yield changes
                if changes.sums != self._sums:
                    schema.note_sums(self._base, changes.sums)
        except schema.UNREADABLE as error:
            raise schema.unwritable(error, "cannot write the journal") from None
        self._sums = changes.sums

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Raises `StoreCorrupt` where the file itself is damaged, and `StoreUnwritable` where the disk is gone."""
        try:
            yield self._base
        except schema.UNREADABLE as error:
            if schema.disk_is_gone(error):
                raise StoreUnwritable(f"cannot read the journal: {error}", hint="the disk is gone, or a part of it") from None
            raise StoreCorrupt(f"cannot read the journal: {error}", hint=schema.DAMAGED) from None


def _notice_of(end: Ending) -> OwedEnd:
    """What is owed for an end, to be told at once."""
    return OwedEnd(JobId(end.summary.submitted.job), end.summary.ended_at, 0, end.summary.ended_at)


def _owed_row(notice: OwedEnd, state: str = "pending", error: str = "") -> tuple[str | int | float | bytes, ...]:
    return checked(notice.job, float(notice.ended_at), notice.tries, float(notice.next_at), state, error)


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
