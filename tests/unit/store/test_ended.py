"""Ended jobs in the journal: one row in the place of their events at the next start, older journals brought along, forgetting."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.store.test_journal import ONE, TWO, submitted
from zisk_actors.core.job import Fault, JobRecord, replay
from zisk_actors.core.job_events import Admitted, Cancelled, JobEvent
from zisk_actors.core.summary import summarise
from zisk_actors.ids import Incarnation, JobId, WorkerId
from zisk_actors.store.errors import StoreCorrupt, StoreUnwritable
from zisk_actors.store.journal import Journal
from zisk_actors.store.rows import Ending, OwedEnd
from zisk_actors.wire.values import Attempt, Phase, State

START = Incarnation("0" * 32)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    it = Journal(tmp_path / "journal")
    yield it
    it.close()


def end(journal: Journal, job: JobId, *, notify: bool = False, faults: tuple[Fault, ...] = ()) -> JobRecord:
    """A job that is submitted and cancelled, in two writes."""
    events: list[JobEvent] = [submitted(job), Cancelled(2.0, "enough")]
    record = replay(events)
    if faults:
        record = JobRecord(**{name: getattr(record, name) for name in record.__struct_fields__} | {"faults": faults})
    journal.append([(job, events[0])])
    journal.append([(job, events[1])], [Ending(summarise(record), notify)])
    return record


def test_a_start_reads_the_summary_of_ended_jobs_and_the_events_of_others(journal: Journal) -> None:
    record = end(journal, ONE)
    journal.append([(TWO, submitted(TWO)), (TWO, Admitted(3.0, (10,)))])
    known = journal.recall()
    assert known.live == [replay([submitted(TWO), Admitted(3.0, (10,))])]
    (past,) = known.ended
    assert (past.job, past.head.state, past.head.client, past.head.ended_at) == (ONE, State.CANCELLED, "me", 2.0)
    assert past.record() == record
    assert list(journal.read()) == [ONE, TWO]


def test_a_job_that_begins_and_ends_in_one_write_has_ended(journal: Journal) -> None:
    events: list[JobEvent] = [submitted(ONE), Cancelled(2.0, "enough")]
    journal.append([(ONE, event) for event in events], [Ending(summarise(replay(events)))])
    known = journal.recall()
    assert (known.live, [past.job for past in known.ended]) == ([], [ONE])


def test_an_end_is_on_disk_with_its_summary_and_its_notice_or_not_at_all(journal: Journal) -> None:
    journal.append([(ONE, submitted(ONE))])
    journal._base.execute("create trigger full before insert on outbox begin select raise(abort, 'no room'); end")
    events: list[JobEvent] = [submitted(ONE), Cancelled(2.0, "enough")]
    with pytest.raises(StoreUnwritable):
        journal.append([(ONE, events[1])], [Ending(summarise(replay(events)), True)])
    known = journal.recall()
    assert (known.live, known.ended) == ([replay(events[:1])], [])


@pytest.mark.parametrize("written", [1, 2])
def test_an_older_journal_gets_its_summaries(tmp_path: Path, written: int) -> None:
    (tmp_path / "journal").mkdir()
    base = sqlite3.connect(tmp_path / "journal" / "journal.sqlite")
    base.executescript((Path(__file__).parent / "journal-format-2.sql").read_text())
    base.execute("update facts set value = ? where name = 'format'", (str(written),))
    base.commit()
    base.close()
    for epoch in (4, 5):
        journal = Journal(tmp_path / "journal")
        known = journal.recall()
        assert journal.epoch == epoch
        assert [(past.job, past.record().state) for past in known.ended] == [(ONE, State.CANCELLED)]
        assert [record.job for record in known.live] == [TWO]
        assert [len(events) for events in journal.read().values()] == [2, 2]
        assert journal._base.execute("pragma auto_vacuum").fetchone() == (2,)
        journal.close()
    journal = Journal(tmp_path / "journal")
    journal.forget([ONE])
    assert list(journal.read()) == [TWO]
    journal.close()


@pytest.mark.parametrize(
    "statement",
    ["update ended set body = x'80'", "update ended set head = x'90'", f"update ended set job = '{TWO}'", "update ended set crc = 7"],
)
def test_a_changed_row_of_an_ended_job_stops_the_start_by_name(journal: Journal, statement: str) -> None:
    end(journal, ONE)
    journal._base.execute(statement)
    with pytest.raises(StoreCorrupt, match="row 1 of the ended jobs"):
        journal.recall()


def test_a_forgotten_job_leaves_nothing_but_who_was_marked(journal: Journal) -> None:
    fault = Fault(START, Attempt(WorkerId("liar"), 3, Phase.PROVE, "wrong"))
    end(journal, ONE, faults=(fault,))
    end(journal, TWO)
    journal.forget([ONE])
    known = journal.recall()
    assert [past.job for past in known.ended] == [TWO]
    assert list(journal.read()) == [TWO]
    assert known.marks == [("liar", START, ONE, 3, "wrong")]


def test_what_has_not_ended_or_is_owed_is_not_forgotten(journal: Journal) -> None:
    journal.append([(ONE, submitted(ONE))])
    end(journal, TWO, notify=True)
    journal.forget([ONE, TWO, JobId("21234567-89ab-4def-8123-456789abcdef")])
    assert list(journal.read()) == [ONE, TWO]
    (notice,) = journal.owed()
    assert notice == OwedEnd(TWO, 2.0, 0, 2.0)
    journal.tried(notice._replace(tries=1, next_at=9.0), "pending", "refused")
    assert journal.owed() == [OwedEnd(TWO, 2.0, 1, 9.0)]
    journal.tried(notice, "delivered", "")
    assert journal.owed() == []
    journal.forget([TWO])
    assert list(journal.read()) == [ONE]


def test_the_file_does_not_grow_for_ever(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "journal" / "journal.sqlite"
    sizes = []
    for round_ in range(4):
        jobs = [JobId(f"{round_:08x}-{number:04x}-4def-8123-456789abcdef") for number in range(300)]
        rows: list[tuple[JobId, JobEvent]] = [(job, event) for job in jobs for event in (submitted(job), Cancelled(2.0, "x" * 1000))]
        journal.append(rows, [Ending(summarise(replay([submitted(job), Cancelled(2.0, "x" * 1000)]))) for job in jobs])
        for start in range(0, 300, 50):
            journal.forget(jobs[start : start + 50])
        journal._base.execute("pragma wal_checkpoint(truncate)").fetchall()
        sizes.append(path.stat().st_size)
    assert sizes[-1] < 200_000, sizes
    assert journal.recall() == ([], [], [])
