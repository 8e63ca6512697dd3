"""A journal that is not the one that was here is never taken for it: at a start, while it is open, and whatever bit of it flips."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.unit.store.test_ended import end
from tests.unit.store.test_journal import ONE, THREE, TWO, submitted
from zisk_actors.core.job_events import Admitted
from zisk_actors.errors import ZiskError
from zisk_actors.ids import ProgramId
from zisk_actors.store import high_water, schema
from zisk_actors.store.damage import accept_loss, check
from zisk_actors.store.errors import JournalMismatch, JournalReplaced, StoreCorrupt, StoreUnwritable
from zisk_actors.store.high_water import HighWaterMark, Reached
from zisk_actors.store.journal import Journal
from zisk_actors.store.rows import Owner
from zisk_actors.wire.blobs import reference


def filled(folder: Path) -> Path:
    """A journal with an ended job whose webhook is owed, a live one, a program with a key."""
    journal = Journal(folder)
    end(journal, ONE, notify=True)
    journal.append([(TWO, submitted(TWO))])
    journal.append([(TWO, Admitted(3.0, (10,)))])
    journal.add_program(reference(b"elf"), Owner("me", ProgramId(reference(b"elf").sha256), "fibonacci", 5.0))
    journal.add_key(reference(b"elf").sha256, "test", reference(b"key"))
    journal.close()
    return folder


def content(folder: Path) -> object:
    journal = Journal(folder)
    try:
        return journal.recall(), journal.programs(), journal.owed(), journal.read()
    finally:
        journal.close()


def remove(folder: Path) -> None:
    shutil.rmtree(folder)


def remove_file(folder: Path) -> None:
    (folder / "journal.sqlite").unlink()


def empty(folder: Path) -> None:
    os.truncate(folder / "journal.sqlite", 0)


def older_copy(folder: Path) -> None:
    shutil.copytree(folder.with_name("older"), folder, dirs_exist_ok=True)


def another(folder: Path) -> None:
    filled(folder.with_name("another"))
    shutil.copytree(folder.with_name("another"), folder, dirs_exist_ok=True)


def went_on_elsewhere(folder: Path) -> None:
    """The older copy with its mark, on which another coordinator has worked."""
    other = folder.with_name("older")
    journal = Journal(other)
    journal.append([(THREE, submitted(THREE)), (THREE, Admitted(1.0, (1,)))])
    journal.close()
    shutil.copytree(other, folder, dirs_exist_ok=True)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (remove, "journal.sqlite is gone; it had 4 events after 2 starts"),
        (remove_file, "is gone"),
        (empty, "is empty"),
        (older_copy, "an older copy: it has 3 events after 1 starts, and had 4 after 2"),
        (another, "another one than was here before"),
        (went_on_elsewhere, "a copy that went on elsewhere"),
    ],
)
def test_a_start_without_the_journal_that_was_here_is_refused_by_name(tmp_path: Path, loss: Callable[[Path], None], words: str) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder)
    end(journal, ONE)
    journal.append([(TWO, submitted(TWO))])
    journal.close()
    shutil.copytree(folder, folder.with_name("older"))
    shutil.copy(high_water.beside(folder), high_water.beside(folder.with_name("older")))
    journal = Journal(folder)
    journal.append([(TWO, Admitted(3.0, (10,)))])
    journal.close()
    loss(folder)
    for _ in range(2):  # a second start is refused as well
        with pytest.raises(JournalMismatch, match=words) as refused:
            Journal(folder)
        assert "operations.md" in refused.value.hint
    assert accept_loss(folder)
    for _ in range(2):
        Journal(folder).close()


def test_a_journal_whose_mark_is_gone_or_unreadable_is_refused(tmp_path: Path) -> None:
    folder = filled(tmp_path / "journal")
    mark = high_water.beside(folder)
    mark.write_bytes(b"\0" * 320)
    with pytest.raises(JournalMismatch, match="cannot be read"):
        Journal(folder)
    mark.unlink()
    with pytest.raises(JournalMismatch, match="is gone"):
        Journal(folder)
    assert accept_loss(folder) == [f"the journal in {folder} is taken as it is, with 2 jobs"]
    assert content(folder) == content(folder)


def test_a_first_start_that_was_killed_before_the_tables_were_there_is_no_loss(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    HighWaterMark(high_water.beside(folder), Reached("0" * 32, 0)).close()
    Journal(folder).close()
    assert (known := high_water.read(high_water.beside(folder))) is not None
    assert (known.epoch, known.seq) == (1, 0)


def test_a_mark_that_was_written_before_the_power_went_finds_no_loss(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder)
    behind = high_water.beside(folder).read_bytes()
    end(journal, ONE)
    journal.close()
    high_water.beside(folder).write_bytes(behind)
    Journal(folder).close()


def test_of_a_mark_whose_write_broke_off_the_other_half_counts(tmp_path: Path) -> None:
    path = tmp_path / "mark"
    mark = HighWaterMark(path, Reached("0" * 32, 1))
    for seq in (1, 2, 3):
        mark.note(Reached("0" * 32, 1, seq, seq))
    mark.close()
    whole = path.read_bytes()
    for at in range(2):
        path.write_bytes(whole[: at * 160] + b"\0" * 80 + whole[at * 160 + 80 :])
        known = high_water.read(path)
        assert known is not None
        assert known.seq in (2, 3)


def swap(folder: Path) -> None:
    path = folder / "journal.sqlite"
    copy = path.with_suffix(".copy")
    shutil.copy(path, copy)
    copy.replace(path)


def remove_wal(folder: Path) -> None:
    (folder / "journal.sqlite-wal").unlink()


def set_back(folder: Path) -> None:
    with sqlite3.connect(folder / "journal.sqlite") as base:
        base.execute("delete from events where seq = 2")
        base.execute("update sqlite_sequence set seq = 1")


@pytest.mark.parametrize("loss", [remove, remove_file, swap, remove_wal, set_back])
def test_a_journal_that_is_removed_or_exchanged_while_it_is_open_takes_nothing_more(tmp_path: Path, loss: Callable[[Path], None]) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder)
    end(journal, ONE)
    journal.check()
    loss(folder)
    with pytest.raises(JournalReplaced):
        journal.check()
    for write in (journal.check_writable, lambda: journal.append([(TWO, submitted(TWO))])):
        with pytest.raises(StoreUnwritable) as refused:
            write()
        assert refused.value.code == "journal-replaced"
    journal.close()


def test_a_file_that_is_put_back_is_taken_again(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder)
    path = folder / "journal.sqlite"
    path.rename(folder / "moved")
    with pytest.raises(JournalReplaced):
        journal.check_writable()
    (folder / "moved").rename(path)
    journal.check_writable()
    journal.append([(ONE, submitted(ONE))])
    high_water.beside(folder).unlink()  # we know how far it is
    journal.check()
    journal.close()
    Journal(folder).close()


def test_the_last_event_may_be_forgotten(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    end(journal, ONE)
    journal.forget([ONE])
    journal.check()
    journal.close()
    Journal(tmp_path / "journal").close()


@pytest.mark.parametrize("table", schema.COLUMNS)
def test_a_row_that_somebody_removes_is_found(tmp_path: Path, table: str) -> None:
    folder = filled(tmp_path / "journal")
    base = sqlite3.connect(folder / "journal.sqlite")
    if table == "marks":
        base.execute(schema.insert("marks"), ("w", "0" * 32, ONE, 0, "why", 1))
    base.execute(f"delete from {table} where rowid = (select min(rowid) from {table})")
    if table == "marks":
        sums = schema.noted_sums(base) | {"marks": (1, 1)}
        schema.note_sums(base, sums)
    base.commit()
    base.close()
    journal = Journal(folder)
    with pytest.raises(StoreCorrupt, match=r"lost rows|beginning|first event"):
        journal.recall()
    journal.close()
    damages = check(folder).damages
    assert any(f"the table {table} has" in damage.reason for damage in damages), damages
    assert accept_loss(folder)
    assert check(folder).damages == []
    journal = Journal(folder)
    known = journal.recall()
    if table in ("live", "ended"):  # what can be made again from the events is
        assert ([record.job for record in known.live], [past.job for past in known.ended]) == ([TWO], [ONE])
    journal.close()


def test_no_bit_that_flips_changes_what_the_journal_says(tmp_path: Path) -> None:
    seed = Random().randrange(1 << 32)
    print(f"seed {seed}")
    chance = Random(seed)
    folder = filled(tmp_path / "journal")
    whole, good = (folder / "journal.sqlite").read_bytes(), content(folder)
    mark = high_water.beside(folder).read_bytes()
    filler = [at for at in range(len(whole)) if whole[at]]  # most of a small file is empty pages
    refused = 0
    for _ in range(300):
        at, bit = chance.choice(filler), chance.randrange(8)
        spoilt = bytearray(whole)
        spoilt[at] ^= 1 << bit
        for path in folder.glob("journal.sqlite-*"):
            path.unlink()
        (folder / "journal.sqlite").write_bytes(spoilt)
        high_water.beside(folder).write_bytes(mark)
        try:
            assert content(folder) == good, (at, bit)
        except ZiskError:
            refused += 1
    assert refused > 100
