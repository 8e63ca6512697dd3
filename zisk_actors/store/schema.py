"""The journal's tables, and what of them is read at a start.

Rules of this file:
* Events go in at the end and leave in whole jobs; `seq` never comes back.
* Each row has a checksum, and each table the count and the sum of its rows' checksums, in `facts`, of the same transaction. So a row that
  was changed, removed or added by somebody else is found.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from zisk_actors.core.errors import IllegalTransition
from zisk_actors.core.job import JobRecord, replay
from zisk_actors.core.job_events import JobEvent, Submitted
from zisk_actors.ids import JobId
from zisk_actors.store.errors import DiskFull, JournalFormat, StoreCorrupt, StoreUnwritable
from zisk_actors.store.rows import Past, checked, checksum, decode_head, encode_head
from zisk_actors.wire.codec import decode_record
from zisk_actors.wire.errors import WireError

FORMAT: Final = 4

FACTS: Final = "create table facts (name text primary key, value text not null) strict"
COLUMNS: Final = {
    "events": "seq integer primary key autoincrement, job text not null, body blob not null",
    "live": "job text primary key, first integer not null",
    "ended": "number integer primary key autoincrement, job text not null unique, first integer not null, last integer not null, "
    "ended_at real not null, head blob not null, body blob not null",
    "outbox": "job text primary key, ended_at real not null, tries integer not null, next_at real not null, state text not null, "
    "error text not null",
    "marks": "worker text primary key, incarnation text not null, job text not null, share integer not null, reason text not null",
    "programs": "program text primary key, size integer not null, added_at real not null",
    "owners": "client text not null, program text not null, name text not null, used_at real not null",
    "keys": "program text not null, params text not null, sha256 text not null, size integer not null",
}
"""The tables whose rows have checksums, by name: `crc` is the last column of each."""

NAMES: Final = {table: [column.split()[0] for column in columns.split(", ")] for table, columns in COLUMNS.items()}

LIVE_EVENTS: Final = (
    "select seq, job, body, crc from events where seq >= (select min(first) from live) and job in (select job from live) order by seq"
)
ALL_EVENTS: Final = "select seq, job, body, crc from events order by seq"
HOMELESS: Final = "select job from events except select job from live except select job from ended"
"""Jobs with events that are neither live nor ended."""

DAMAGED: Final = "`When the state is damaged` in docs/operations.md says how to go on"

UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)
"""What a data base raises that is damaged: the words of its errors may have damaged names in them."""

_UNWRITABLE: Final = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_BUSY", "SQLITE_NOMEM")


def disk_is_gone(error: Exception) -> bool:
    """Whether it is the disk that does not do what it should, full, read-only or gone, and nothing is wrong with the journal."""
    return getattr(error, "sqlite_errorname", "").startswith(_UNWRITABLE)


def failure(error: Exception, folder: Path) -> StoreCorrupt | StoreUnwritable:
    """What an error at the opening means: a disk that cannot be written is not a journal that is broken."""
    if disk_is_gone(error):
        return unwritable(error, f"cannot write the journal in {folder}")
    return StoreCorrupt(f"cannot open the journal in {folder}: {error}", hint=DAMAGED)


def unwritable(error: Exception, what: str) -> StoreUnwritable:
    """What an error of a write means: a full disk is said as that."""
    if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
        return DiskFull(f"{what}: the disk is full", hint="make room on it; work goes on by itself then")
    return StoreUnwritable(f"{what}: {error}", hint="the disk is read-only or gone")


def make_table(table: str) -> str:
    """The statement that makes a table."""
    return f"create table {table} ({COLUMNS[table]}, crc integer not null) strict"


@cache
def insert(table: str) -> str:
    """The statement that writes a row; a number that the data base counts on is not among its values."""
    names = [*(name for name in NAMES[table] if name != "number"), "crc"]
    return f"insert into {table} ({', '.join(names)}) values ({', '.join('?' * len(names))})"


def tables_of(base: sqlite3.Connection) -> set[str]:
    """The names of the tables that are there."""
    return {name for (name,) in base.execute("select name from sqlite_master where type = 'table'")}


def format_of(base: sqlite3.Connection, folder: Path) -> int:
    """The format of a journal, 0 where nothing is there yet. Raises `JournalFormat` and `sqlite3.Error`."""
    tables = tables_of(base)
    if not tables:
        return 0
    if "facts" not in tables or "events" not in tables:
        raise JournalFormat(f"{folder} has a data base that is no journal of ours", hint="store.folder says where the state is")
    written = dict(base.execute("select name, value from facts").fetchall()).get("format", "")
    if not written.isdecimal() or not 1 <= int(written) <= FORMAT:
        raise JournalFormat(
            f"the journal in {folder} has format {written[:20] or 'unknown'}, and this release reads 1 to {FORMAT}",
            hint="a newer release has written it: use that one, or give this one another store.folder",
        )
    return int(written)


def check_tables(base: sqlite3.Connection, folder: Path) -> None:
    """Raises `JournalFormat` where a table is not as this format has it, and `sqlite3.Error`."""
    for table, names in NAMES.items():
        found = [name for _, name, *_ in base.execute(f"pragma table_info({table})")]
        if found != [*names, "crc"]:
            raise JournalFormat(f"the table {table} of the journal in {folder} is not that of format {FORMAT}", hint=DAMAGED)


# ------------------------------------------------------------------------------------------------------- the tables' own sums


def sums_of(base: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """By table the number of rows and the sum of their checksums, as they are."""
    return {table: base.execute(f"select count(*), coalesce(sum(crc), 0) from {table}").fetchone() for table in COLUMNS}


def noted_sums(base: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """The same as it was written down with the last change. Raises `StoreCorrupt`."""
    row = base.execute("select value from facts where name = 'sums'").fetchone()
    try:
        noted = [int(word) for word in row[0].split()]
        return {table: (noted[2 * at], noted[2 * at + 1]) for at, table in enumerate(COLUMNS)}
    except (TypeError, ValueError, IndexError):
        raise StoreCorrupt("the journal's own count of its rows cannot be read", hint=DAMAGED) from None


def note_sums(base: sqlite3.Connection, sums: dict[str, tuple[int, int]]) -> None:
    """Write them down, all in one row, within a transaction."""
    words = " ".join(f"{count} {total}" for count, total in (sums[table] for table in COLUMNS))
    base.execute("insert or replace into facts values ('sums', ?)", (words,))


def missing_rows(base: sqlite3.Connection, *, only_counts: bool = False) -> list[str]:
    """What somebody else did to the tables, in words: rows that are missing, too many or, unless `only_counts`, exchanged; jobs that are in
    no list. Raises `StoreCorrupt`."""
    noted = noted_sums(base)
    found = []
    for table, (count, total) in sums_of(base).items():
        if count != noted[table][0]:
            found.append(f"the table {table} has {count} rows, and was left with {noted[table][0]}")
        elif total != noted[table][1] and not only_counts:
            found.append(f"a row of the table {table} is not the one that was written")
    found += [f"job {job} has events, and is neither among the live nor among the ended jobs" for (job,) in base.execute(HOMELESS)]
    return found


# ---------------------------------------------------------------------------------------------------------------- what is read


def events_by_job(base: sqlite3.Connection, statement: str) -> dict[JobId, tuple[int, int, list[JobEvent]]]:
    """Events by job, with the first and the last row of each, jobs in order of submission. Raises `StoreCorrupt` that names the row."""
    return by_job(_events(base, statement))


def by_job(events: Iterable[tuple[int, JobId, JobEvent]]) -> dict[JobId, tuple[int, int, list[JobEvent]]]:
    """Rows of events by job. Raises `StoreCorrupt`."""
    jobs: dict[JobId, tuple[int, int, list[JobEvent]]] = {}
    for seq, job, event in events:
        if job not in jobs and not isinstance(event, Submitted):
            raise StoreCorrupt(f"row {seq} of the journal is of job {job}, whose beginning is missing", hint=what_to_do(job))
        first, _, mine = jobs.get(job, (seq, seq, []))
        mine.append(event)
        jobs[job] = (first, seq, mine)
    return jobs


def _events(base: sqlite3.Connection, statement: str) -> Iterator[tuple[int, JobId, JobEvent]]:
    for seq, job, body, crc in base.execute(statement):
        if checksum(seq, job, body) != crc:
            raise StoreCorrupt(f"row {seq} of the journal, of job {job}, fails its checksum", hint=what_to_do(job))
        yield seq, JobId(job), decode_event(seq, job, body)


def decode_event(seq: int, job: str, body: bytes) -> JobEvent:
    """What the row of an event says. Raises `StoreCorrupt`."""
    try:
        event: JobEvent = decode_record(body, JobEvent)
    except WireError as error:
        raise StoreCorrupt(f"row {seq} of the journal, of job {job}, cannot be read: {error}", hint=what_to_do(job)) from None
    return event


def fold(job: str, first: int, events: list[JobEvent]) -> JobRecord:
    """The job that its events make. Raises `StoreCorrupt`."""
    try:
        return replay(events)
    except IllegalTransition as error:
        words = f"the events of job {job} from row {first} on are not those of a job: {error.message}"
        raise StoreCorrupt(words, hint=what_to_do(job)) from None


def live_events(base: sqlite3.Connection) -> dict[JobId, tuple[int, list[JobEvent]]]:
    """The events of jobs that have not ended, with the first row of each. Raises `StoreCorrupt`."""
    for job, first in ((str(job), first) for job, first in rows_of(base, "live")):
        if base.execute("select job from events where seq = ?", (first,)).fetchone() != (job,):
            raise StoreCorrupt(f"job {job} is among the live ones, and its first event is not there", hint=what_to_do(job))
    return {job: (first, events) for job, (first, _, events) in events_by_job(base, LIVE_EVENTS).items()}


def past_jobs(base: sqlite3.Connection) -> Iterator[Past]:
    """The jobs that have ended, in order of their ends. Raises `StoreCorrupt`."""
    for number, job, first, last, ended_at, head, body, crc in base.execute("select * from ended order by number"):
        if checksum(job, first, last, ended_at, head, body) != crc:
            raise StoreCorrupt(f"row {number} of the ended jobs, of job {job}, fails its checksum", hint=what_to_do(job))
        yield Past(JobId(job), decode_head(head), body)


def rows_of(base: sqlite3.Connection, table: str) -> list[tuple[str | int | float | bytes, ...]]:
    """The rows of one of the smaller tables, without their checksums. Raises `StoreCorrupt` that names the row."""
    rows = []
    for number, *values, crc in base.execute(f"select rowid, * from {table} order by rowid"):
        if checksum(*values) != crc:
            raise StoreCorrupt(f"row {number} of the table {table} of the journal, of {values[0]!r}, fails its checksum", hint=DAMAGED)
        rows.append(tuple(values))
    return rows


def ended_row(past: Past, first: int, last: int) -> tuple[str | int | float | bytes, ...]:
    """A row of `ended`."""
    return checked(past.job, first, last, float(past.head.ended_at), encode_head(past.head), past.body)


def what_to_do(job: str) -> str:
    return f"`zisk-coordinator --check-state` lists all damage; `--set-aside {job}` starts without this job and keeps its rows"
