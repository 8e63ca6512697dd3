"""How an older journal becomes one of ours.

Formats, which each later release goes on reading:
* 1: events, programs, keys.
* 2: events of single shares.
* 3: `ended` has one row for each job that has ended, so that a start need not fold all its events; `live` says where the events of the
  others begin; `outbox` has the ends that are owed to the webhook; `marks` has who gave something wrong in jobs that are forgotten.
* 4: each row of each table has a checksum over all of it, and each table the sum of them; the journal has an identity; `owners` has which
  clients a program is kept for, and what each calls it. Older journals do not say whose a name was: it is left out.

Rule of this file: an upgrade is one transaction, so a journal is of one format or of another.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping

from zisk_actors.core.job_events import JobEvent, Submitted
from zisk_actors.core.summary import summarise
from zisk_actors.ids import JobId
from zisk_actors.store import schema
from zisk_actors.store.errors import StoreCorrupt
from zisk_actors.store.rows import checked, checksum_before_4, past_of

SMALL = ("outbox", "marks", "keys")


def upgrade(base: sqlite3.Connection, written: int) -> None:
    """Within a transaction, bring a journal of format 1 to 3 to ours. Raises `StoreCorrupt` that names the row, and `sqlite3.Error`."""
    old = schema.tables_of(base)
    jobs = schema.by_job(_events_before_4(base))
    events = [checked(seq, job, body) for seq, job, body in base.execute("select seq, job, body from events order by seq")]
    last = base.execute("select coalesce(max(seq), 0) from sqlite_sequence where name = 'events'").fetchone()[0]
    ended = list(_ended_before_4(base)) if written == 3 else []
    small = {table: base.execute(f"select * from {table} order by rowid").fetchall() for table in SMALL if table in old}
    programs = base.execute("select * from programs order by rowid").fetchall()
    owners: dict[tuple[str, str], float] = {}
    for _, _, history in jobs.values():
        if isinstance(request := history[0], Submitted):
            owners[request.client, request.program.sha256] = float(request.at)
    for table in schema.COLUMNS:
        if table in old:
            base.execute(f"drop table {table}")
        base.execute(schema.make_table(table))
    base.executemany(schema.insert("events"), events)
    base.execute("delete from sqlite_sequence where name = 'events'")
    base.execute("insert into sqlite_sequence values ('events', ?)", (last,))
    base.executemany(schema.insert("ended"), ended)
    list_jobs(base, jobs)
    kept = {program for _, program in owners}
    base.executemany(schema.insert("programs"), [checked(program, size, float(at)) for program, _, size, at in programs if program in kept])
    base.executemany(schema.insert("owners"), [checked(client, program, "", at) for (client, program), at in owners.items()])
    for table, rows in small.items():
        base.executemany(schema.insert(table), [checked(*row) for row in rows])


def list_jobs(base: sqlite3.Connection, jobs: Mapping[JobId, tuple[int, int, list[JobEvent]]]) -> None:
    """Write the rows of jobs that are in neither list, `live` being empty: of each job its first and last event's number, and its events.
    Raises `StoreCorrupt` and `sqlite3.Error`."""
    known = {job for (job,) in base.execute("select job from ended")}
    for job, (first, last, history) in jobs.items():
        if job in known:
            continue
        record = schema.fold(job, first, history)
        if record.state.final:
            base.execute(schema.insert("ended"), schema.ended_row(past_of(summarise(record)), first, last))
        else:
            base.execute(schema.insert("live"), checked(job, first))


def _events_before_4(base: sqlite3.Connection) -> Iterator[tuple[int, JobId, JobEvent]]:
    for seq, job, body, crc in base.execute(schema.ALL_EVENTS):
        if checksum_before_4(job, body) != crc:
            raise StoreCorrupt(f"row {seq} of the journal, of job {job}, fails its checksum", hint=schema.what_to_do(job))
        yield seq, JobId(job), schema.decode_event(seq, job, body)


def _ended_before_4(base: sqlite3.Connection) -> Iterator[tuple[str | int | float | bytes, ...]]:
    for number, job, first, last, ended_at, head, body, crc in base.execute("select * from ended order by number"):
        if checksum_before_4(job, head, body) != crc:
            raise StoreCorrupt(f"row {number} of the ended jobs, of job {job}, fails its checksum", hint=schema.what_to_do(job))
        yield checked(job, first, last, ended_at, head, body)
