"""Group commit: many waiters, few writes, the order kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import trio
import trio.testing

from zisk_actors.actors.jobs.recorder import Recorder
from zisk_actors.actors.threads import RUNNER
from zisk_actors.core.job_events import Cancelled, JobEvent, Submitted
from zisk_actors.ids import JobId
from zisk_actors.store.errors import StoreUnwritable
from zisk_actors.store.journal import Journal
from zisk_actors.store.rows import Ending
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.values import Kind

ONE = JobId("01234567-89ab-4def-8123-456789abcdef")


class Counting(Journal):
    """A journal that counts its writes, and fails them when told to."""

    writes = 0
    broken = False

    def append(self, rows: Sequence[tuple[JobId, JobEvent]], endings: Sequence[Ending] = ()) -> None:
        self.writes += 1
        if self.broken:
            raise StoreUnwritable("the disk is full")
        super().append(rows, endings)


def submitted() -> Submitted:
    blob = reference(b"elf")
    return Submitted(at=0.0, job=ONE, kind=Kind.EXECUTE, program=blob, stdin=blob, params="test", client="me")


@pytest.fixture
def journal(tmp_path: Path) -> Counting:
    return Counting(tmp_path)


async def test_many_go_with_one_write_in_their_order(journal: Counting) -> None:
    recorder = Recorder(journal)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        await recorder.append(ONE, submitted())
        async with trio.open_nursery() as writers:
            for number in range(100):
                writers.start_soon(recorder.append, ONE, Cancelled(float(number), "x"))
        nursery.cancel_scope.cancel()
    assert journal.writes < 10
    assert len(journal.read()[ONE]) == 101
    journal.close()


async def test_a_write_that_fails_is_the_writers_error_and_the_next_goes_on(journal: Counting) -> None:
    recorder = Recorder(journal)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        journal.broken = True
        with pytest.raises(StoreUnwritable):
            await recorder.append(ONE, submitted())
        journal.broken = False
        await recorder.append(ONE, submitted())
        nursery.cancel_scope.cancel()
    assert journal.read() == {ONE: [submitted()]}
    journal.close()


async def test_what_was_given_before_the_end_is_written_and_later_is_refused(journal: Counting) -> None:
    recorder = Recorder(journal)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recorder.run)
            await trio.testing.wait_all_tasks_blocked()

            async def shielded() -> None:
                with trio.CancelScope(shield=True):
                    await recorder.append(ONE, submitted())

            nursery.start_soon(shielded)
            await trio.testing.wait_all_tasks_blocked(0.001)
            nursery.cancel_scope.cancel()
        with pytest.raises(StoreUnwritable, match="closing"):
            await recorder.append(ONE, submitted())
    assert journal.read() == {ONE: [submitted()]}
    journal.close()


async def test_how_long_something_waits_for_the_disk(journal: Counting, autojump_clock: trio.testing.MockClock) -> None:
    flushed = trio.Event()

    async def hang(function: Callable[[], object], /) -> object:
        await flushed.wait()
        return function()

    before = RUNNER.set(hang)  # type: ignore[arg-type]
    recorder = Recorder(journal)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        assert recorder.waits_seconds == 0
        nursery.start_soon(recorder.append, ONE, submitted())
        await trio.sleep(20)
        nursery.start_soon(recorder.append, ONE, Cancelled(1.0, "x"))
        await trio.sleep(10)
        assert recorder.waits_seconds == 30
        flushed.set()
        await trio.sleep(1)
        assert recorder.waits_seconds == 0
        nursery.cancel_scope.cancel()
    RUNNER.reset(before)
    journal.close()
