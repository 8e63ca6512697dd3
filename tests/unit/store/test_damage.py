"""What is wrong with a journal is named, and a start without it is one step away."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.store.test_ended import end
from tests.unit.store.test_journal import ONE, TWO, submitted
from zisk_actors.core.job_events import Cancelled
from zisk_actors.errors import NotFoundError
from zisk_actors.ids import JobId
from zisk_actors.store.damage import check, set_aside
from zisk_actors.store.errors import StoreCorrupt, StoreLocked
from zisk_actors.store.journal import Journal

THREE = JobId("21234567-89ab-4def-8123-456789abcdef")


def spoilt(folder: Path, *statements: str) -> Path:
    """A journal with an ended and a live job, and what these statements make of it."""
    journal = Journal(folder)
    end(journal, ONE)
    journal.append([(TWO, submitted(TWO))])
    journal.close()
    base = sqlite3.connect(folder / "journal.sqlite")
    for statement in statements:
        base.execute(statement)
    base.commit()
    base.close()
    return folder


def test_nothing_is_said_of_a_journal_that_is_well(tmp_path: Path) -> None:
    assert check(spoilt(tmp_path)) == (2, 1, [])
    journal = Journal(tmp_path)
    assert journal.epoch == 2  # looking is no start
    with pytest.raises(StoreLocked):
        check(tmp_path)
    journal.close()


@pytest.mark.parametrize(
    ("statement", "job", "words"),
    [
        (f"update events set body = x'80' where job = '{TWO}'", TWO, "event 3: its checksum"),
        ("update ended set head = x'90'", ONE, "row 1 of the ended jobs"),
    ],
)
def test_damage_is_named_and_set_aside(tmp_path: Path, statement: str, job: JobId, words: str) -> None:
    spoilt(tmp_path, statement)
    journal = Journal(tmp_path)
    with pytest.raises(StoreCorrupt, match=job) as corrupt:
        journal.recall()
    assert f"--set-aside {job}" in corrupt.value.hint
    journal.close()
    [damage] = check(tmp_path).damages
    assert damage.job == job
    assert words in damage.reason
    assert set_aside(tmp_path, job) >= 1
    assert check(tmp_path).damages == []
    journal = Journal(tmp_path)
    known = journal.recall()
    assert [*(record.job for record in known.live), *(past.job for past in known.ended)] == [TWO if job == ONE else ONE]
    assert journal._base.execute("select count(*) from set_aside where job = ?", (job,)).fetchone()[0] >= 1
    journal.close()


def test_damage_in_an_older_journal_too(tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "journal.sqlite")
    base.executescript((Path(__file__).parent / "journal-format-2.sql").read_text())
    base.execute("update events set crc = 1 where seq = 3")
    base.commit()
    base.close()
    with pytest.raises(StoreCorrupt, match="row 3"):
        Journal(tmp_path)
    [damage] = check(tmp_path).damages
    set_aside(tmp_path, damage.job)
    journal = Journal(tmp_path)
    assert [record.job for record in journal.recall().live] == [TWO]
    journal.close()


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no journal"):
        check(tmp_path)
    spoilt(tmp_path)
    with pytest.raises(NotFoundError, match="no rows"):
        set_aside(tmp_path, THREE)
    assert check(tmp_path).jobs == 2


def test_events_that_are_not_those_of_a_job(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([(ONE, Cancelled(1.0, "why"))])
    journal.close()
    assert "first event" in check(tmp_path).damages[0].reason


def test_the_command(tmp_path: Path) -> None:
    spoilt(tmp_path / "journal", "update ended set crc = 7")
    settings = tmp_path / "coordinator.toml"
    settings.write_text(f'[store]\nfolder = "{tmp_path}"\n')
    command = [sys.executable, "-m", "zisk_actors.cli.coordinator", "--config", str(settings)]
    looked = subprocess.run([*command, "--check-state"], capture_output=True, text=True, check=False, timeout=60)
    assert (looked.returncode, looked.stderr) == (1, "")
    assert f"job {ONE} cannot be read" in looked.stdout
    assert "2 jobs, 1 of them ended, 1 damaged" in looked.stdout
    moved = subprocess.run([*command, "--set-aside", ONE], capture_output=True, text=True, check=False, timeout=60)
    assert moved.returncode == 0
    assert subprocess.run([*command, "--check-state"], capture_output=True, text=True, check=False, timeout=60).returncode == 0
