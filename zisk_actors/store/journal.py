"""The journal: every event of every job, in order, on disk before anyone is told; and the programs with their keys.

Rules of this file:
* `append` returns when the events are on disk (SQLite, WAL, synchronous=FULL) and not before. Many in one call cost one flush.
* Rows are never changed. Each carries a checksum over its content; a row that fails it stops the start, by name.
* One process at a time: the lock on the folder dies with its holder, however it dies.
* Each opening is an epoch, numbered from 1, and kept.
* These are plain blocking calls from one thread at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from zisk_actors.core.job import Event, Submitted
from zisk_actors.ids import JobId, ProgramId
from zisk_actors.store.errors import StoreCorrupt, StoreLocked, StoreUnwritable
from zisk_actors.wire.codec import decode_record, encode_record
from zisk_actors.wire.errors import WireError
from zisk_actors.wire.values import BlobRef, ProgramStatus

FORMAT: Final = 2
READS: Final = (1, 2)
"""Format 2 added the events of single shares; a journal of format 1 is read as it is, and is of format 2 from then on."""

_TABLES: Final = """
create table if not exists facts (name text primary key, value text not null) strict;
create table if not exists events (seq integer primary key autoincrement, job text not null, body blob not null, crc integer not null)
strict; create table if not exists programs (program text primary key, name text not null, size integer not null, added_at real not null)
strict; create table if not exists keys (program text not null, params text not null, sha256 text not null, size integer not null,
  primary key (program, params)) strict;
"""


class Journal:
    """An open journal in a folder of its own. Raises `StoreLocked`, `StoreUnwritable` and `StoreCorrupt` from its constructor."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreUnwritable(f"cannot use {folder} for the journal: {error}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise StoreLocked(f"another coordinator uses {folder}", hint="stop it first, or give this one another state folder") from None
        try:
            self._base = self.connect(folder)
            try:
                self._base.executescript("pragma journal_mode=wal; pragma synchronous=full; " + _TABLES)
                self.epoch = self._open_epoch(folder)
            except BaseException:
                self._base.close()
                raise
        except sqlite3.Error as error:
            os.close(self._lock)
            raise StoreCorrupt(f"cannot open the journal in {folder}: {error}") from None
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

    def append(self, rows: Sequence[tuple[JobId, Event]]) -> None:
        """Write events, all or none. Raises `StoreUnwritable`."""
        bodies = [(job, body, _checksum(job, body)) for job, event in rows for body in [encode_record(event)]]
        try:
            self._base.execute("begin immediate")
            try:
                self._base.executemany("insert into events (job, body, crc) values (?, ?, ?)", bodies)
                self._base.execute("commit")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._base.execute("rollback")
                raise
        except sqlite3.Error as error:
            raise StoreUnwritable(f"cannot write the journal: {error}") from None

    def read(self) -> dict[JobId, list[Event]]:
        """All events by job, jobs in order of submission. Raises `StoreCorrupt` that names the row."""
        jobs: dict[JobId, list[Event]] = {}
        for seq, job, body, crc in self._base.execute("select seq, job, body, crc from events order by seq"):
            if _checksum(job, body) != crc:
                raise StoreCorrupt(f"row {seq} of the journal, of job {job}, fails its checksum")
            try:
                event: Event = decode_record(body, Event)
            except WireError as error:
                raise StoreCorrupt(f"row {seq} of the journal, of job {job}, cannot be read: {error}") from None
            if job not in jobs and not isinstance(event, Submitted):
                raise StoreCorrupt(f"row {seq} of the journal is of job {job}, whose beginning is missing")
            jobs.setdefault(JobId(job), []).append(event)
        return jobs

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
        """The programs, oldest first, with their keys."""
        keys: dict[str, dict[str, BlobRef]] = {}
        for program, params, sha256, size in self._base.execute("select program, params, sha256, size from keys"):
            keys.setdefault(program, {})[params] = BlobRef(sha256, size)
        rows = self._base.execute("select program, name, size, added_at from programs order by added_at, program")
        return [
            ProgramStatus(program=ProgramId(program), name=name, size=size, added_at=at, keys=keys.get(program, {}))
            for program, name, size, at in rows
        ]

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._base.execute(statement, values)
        except sqlite3.Error as error:
            raise StoreUnwritable(f"cannot write the journal: {error}") from None

    def _open_epoch(self, folder: Path) -> int:
        facts = dict(self._base.execute("select name, value from facts").fetchall())
        written = int(facts.get("format", FORMAT))
        if written not in READS:
            raise StoreCorrupt(f"the journal in {folder} has format {written} and this release reads {READS[0]} to {READS[-1]}")
        epoch = int(facts.get("epoch", 0)) + 1
        self._base.executemany("insert or replace into facts values (?, ?)", [("format", str(FORMAT)), ("epoch", str(epoch))])
        return epoch


def _checksum(job: str, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(job.encode("ascii")))
