"""Which journal it is, and whether it is the one that was here."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from zisk_actors.store import high_water, schema
from zisk_actors.store.errors import JournalMismatch, StoreCorrupt
from zisk_actors.store.high_water import Reached
from zisk_actors.store.rows import checksum


def facts(base: sqlite3.Connection) -> dict[str, str]:
    return dict(base.execute("select name, value from facts").fetchall())


def reached(base: sqlite3.Connection) -> Reached:
    """Where a journal of our format is. Raises `StoreCorrupt` and `sqlite3.Error`."""
    known = facts(base)
    try:
        identity, epoch = known["identity"], int(known["epoch"])
    except (KeyError, ValueError):
        raise StoreCorrupt("the journal does not say which one it is", hint=schema.DAMAGED) from None
    counted = base.execute("select coalesce(max(seq), 0) from sqlite_sequence where name = 'events'").fetchone()[0]
    seq, crc = base.execute("select seq, crc from events order by seq desc limit 1").fetchone() or (0, 0)
    return Reached(identity, epoch, max(seq, int(counted)), crc if seq >= int(counted) else 0)


def refuse_lost(marked: Reached | None, path: Path | None) -> None:
    """Raises `JournalMismatch` where there was a journal and is none."""
    if marked is None or not marked.epoch or path is None:
        return
    if not path.exists() or not path.stat().st_size:
        raise JournalMismatch(
            f"{path} is {'empty' if path.exists() else 'gone'}; it had {marked.seq} events after {marked.epoch} starts",
            hint=high_water.GO_ON,
        )


def compare(marked: Reached | None, found: Reached, base: sqlite3.Connection, folder: Path) -> None:
    """Raises `JournalMismatch` where a journal is not the one, or behind the one, that was marked."""
    wrong = ""
    if marked is None:
        wrong = f"{high_water.beside(folder)}, which says how far it had come, is gone"
    elif marked.identity != found.identity:
        wrong = "it is another one than was here before"
    elif marked.epoch > found.epoch or marked.seq > found.seq:
        wrong = f"it is an older copy: it has {found.seq} events after {found.epoch} starts, and had {marked.seq} after {marked.epoch}"
    else:
        row = base.execute("select seq, job, body, crc from events where seq = ?", (marked.seq,)).fetchone()
        if row is not None and marked.crc and row[3] != marked.crc and checksum(*row[:3]) == row[3]:
            wrong = f"its event {marked.seq} is another one than was written here: it is a copy that went on elsewhere"
    if wrong:
        raise JournalMismatch(f"the journal in {folder} is not the one that was here: {wrong}", hint=high_water.GO_ON)


def same(found: Reached, known: Reached) -> bool:
    """Whether a journal is where we know it to be; its last event may have been forgotten with its job."""
    return found[:3] == known[:3] and (not found.crc or not known.crc or found.crc == known.crc)
