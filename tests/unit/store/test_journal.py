"""The journal: what was appended is read back, by anyone, after anything; and nothing else is."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zisk_actors.core.job_events import Admitted, Cancelled, JobEvent, Submitted
from zisk_actors.errors import ZiskError
from zisk_actors.ids import JobId, ProgramId
from zisk_actors.store.errors import JournalFormat, StoreCorrupt, StoreLocked, StoreUnwritable
from zisk_actors.store.journal import Journal
from zisk_actors.store.rows import Owner
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.values import Kind

ONE = JobId("01234567-89ab-4def-8123-456789abcdef")
TWO = JobId("11234567-89ab-4def-8123-456789abcdef")
THREE = JobId("21234567-89ab-4def-8123-456789abcdef")


def submitted(job: JobId) -> Submitted:
    blob = reference(b"elf")
    return Submitted(at=1.0, job=job, kind=Kind.EXECUTE, program=blob, stdin=blob, params="test", client="me")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    it = Journal(tmp_path / "journal")
    yield it
    it.close()


def again(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def test_events_are_read_back_in_order_by_job(journal: Journal, tmp_path: Path) -> None:
    rows: list[tuple[JobId, JobEvent]] = [(ONE, submitted(ONE)), (TWO, submitted(TWO)), (ONE, Admitted(2.0, (10,)))]
    journal.append(rows[:1])
    journal.append(rows[1:])
    journal.close()
    reopened = again(tmp_path)
    assert reopened.read() == {ONE: [rows[0][1], rows[2][1]], TWO: [rows[1][1]]}
    reopened.close()


def test_each_opening_is_an_epoch(journal: Journal, tmp_path: Path) -> None:
    assert journal.epoch == 1
    journal.close()
    for epoch in (2, 3):
        reopened = again(tmp_path)
        assert reopened.epoch == epoch
        reopened.close()


def test_only_one_at_a_time(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(StoreLocked, match="another coordinator"):
        again(tmp_path)


def test_what_was_appended_survives_a_kill(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from zisk_actors.store.journal import Journal
from zisk_actors.store.rows import Owner
from tests.unit.store.test_journal import ONE, submitted
journal = Journal(Path(sys.argv[1]))
journal.append([(ONE, submitted(ONE))])
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "journal")], cwd=root, check=False, timeout=60)
    journal = again(tmp_path)
    assert journal.read() == {ONE: [submitted(ONE)]}
    journal.close()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("update events set body = x'80'", "row 1"),
        ("update events set crc = crc + 1", "checksum"),
        ("update events set job = '" + TWO + "'", "checksum"),
    ],
)
def test_a_changed_row_stops_the_start_by_name(journal: Journal, tmp_path: Path, statement: str, words: str) -> None:
    journal.append([(ONE, submitted(ONE))])
    journal.close()
    base = sqlite3.connect(tmp_path / "journal" / "journal.sqlite")
    base.execute(statement)
    base.commit()
    base.close()
    reopened = again(tmp_path)
    with pytest.raises(StoreCorrupt, match=words):
        reopened.read()
    reopened.close()


def test_a_job_without_its_beginning_is_corrupt(journal: Journal) -> None:
    journal.append([(ONE, Cancelled(1.0, "why"))])
    with pytest.raises(StoreCorrupt, match="beginning"):
        journal.read()


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "journal.sqlite").write_bytes(b"this is not a database, and long enough to be looked at" * 50)
    with pytest.raises(StoreCorrupt):
        again(tmp_path)


def test_a_journal_of_the_format_before_is_read_and_is_of_ours_from_then_on(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    base = sqlite3.connect(tmp_path / "journal" / "journal.sqlite")
    base.executescript((Path(__file__).parent / "journal-format-3.sql").read_text())
    base.close()
    for epoch in (2, 3):
        opened = again(tmp_path)
        assert opened.epoch == epoch
        assert opened._base.execute("select value from facts where name = 'format'").fetchone() == ("4",)
        known = opened.recall()
        assert [record.job for record in known.live] == [TWO]
        assert [past.job for past in known.ended] == [THREE]
        assert [(mark.worker, mark.job) for mark in known.marks] == [("liar", ONE)]
        assert [notice.job for notice in opened.owed()] == [THREE]
        programs, owners = opened.programs()
        assert [(program.size, program.added_at, list(program.keys)) for program in programs] == [(3, 5.0, ["test"])]
        assert {(owner.client, owner.program, owner.name) for owner in owners} == {("me", programs[0].program, "")}
        opened.close()


@pytest.mark.parametrize("written", ["99", "4a", ""])
def test_a_journal_of_another_format_is_refused(journal: Journal, tmp_path: Path, written: str) -> None:
    journal._base.execute("update facts set value = ? where name = 'format'", (written,))
    journal.close()
    with pytest.raises(JournalFormat, match=f"format {written or 'unknown'}, and this release reads 1 to 4"):
        again(tmp_path)


def test_a_data_base_that_is_no_journal_or_lacks_a_column_is_refused(journal: Journal, tmp_path: Path) -> None:
    journal._base.execute("alter table live drop column first")
    journal.close()
    with pytest.raises(JournalFormat, match="the table live"):
        again(tmp_path)
    (tmp_path / "other").mkdir()
    base = sqlite3.connect(tmp_path / "other" / "journal.sqlite")
    base.execute("create table songs (name text)")
    base.close()
    with pytest.raises(JournalFormat, match="no journal of ours"):
        Journal(tmp_path / "other")


def test_what_cannot_be_written_says_so_and_changes_nothing(journal: Journal) -> None:
    journal.append([(ONE, submitted(ONE))])
    journal._base.execute("pragma query_only = on")
    with pytest.raises(StoreUnwritable):
        journal.append([(TWO, submitted(TWO))])
    assert list(journal.read()) == [ONE]


@pytest.mark.parametrize(("name", "kind"), [("SQLITE_IOERR_READ", StoreUnwritable), ("SQLITE_CORRUPT", StoreCorrupt)])
@pytest.mark.parametrize("read", [Journal.read, Journal.recall, Journal.owed, Journal.programs], ids=lambda read: read.__name__)
def test_a_disk_that_is_gone_is_told_from_a_journal_that_is_broken(
    read: Callable[[Journal], object], name: str, kind: type[ZiskError], tmp_path: Path
) -> None:
    class Bad(sqlite3.Connection):
        bad = False

        def execute(self, *args: Any) -> sqlite3.Cursor:
            if self.bad:
                error = sqlite3.OperationalError("it does not work")
                error.sqlite_errorname = name
                raise error
            return super().execute(*args)

    class OnBadDisk(Journal):
        def connect(self, folder: Path) -> sqlite3.Connection:
            self.base = sqlite3.connect(folder / "journal.sqlite", isolation_level=None, factory=Bad)
            return self.base

    journal = OnBadDisk(tmp_path / "journal")
    journal.base.bad = True
    with pytest.raises(kind, match="cannot read the journal") as caught:
        read(journal)
    assert caught.value.hint
    journal.close()


def test_programs_their_owners_and_their_keys(journal: Journal, tmp_path: Path) -> None:
    elf, other, key = reference(b"elf"), reference(b"other"), reference(b"key")
    mine = Owner("me", ProgramId(elf.sha256), "name", 5.0)
    theirs = Owner("them", ProgramId(elf.sha256), "", 6.0)
    journal.add_program(elf, mine)
    journal.add_program(elf, theirs)
    journal.add_program(elf, mine._replace(name="other", used_at=7.0))
    journal.add_program(other, Owner("me", ProgramId(other.sha256), "", 8.0))
    journal.add_key(elf.sha256, "test", key)
    journal.close()
    reopened = again(tmp_path)
    (program, second), owners = reopened.programs()
    assert (program.program, program.name, program.size, program.added_at) == (elf.sha256, "", 3, 5.0)
    assert (program.keys, second.keys) == ({"test": key}, {})
    assert set(owners) == {mine._replace(name="other", used_at=7.0), theirs, Owner("me", ProgramId(other.sha256), "", 8.0)}
    assert reopened.remove_owners([mine]) == []
    assert reopened.remove_owners([theirs]) == [elf.sha256]
    (left,), owners = reopened.programs()
    assert (left.program, len(owners)) == (other.sha256, 1)
    reopened.recall()
    reopened.close()
