"""What the webhook is owed: the next one first, nothing before its time, and whoever waits hears of something new."""

from __future__ import annotations

import trio
import trio.testing

from zisk_actors.actors.jobs.outbox import Outbox
from zisk_actors.ids import JobId
from zisk_actors.store.rows import OwedEnd


def owed(job: str, at: float) -> OwedEnd:
    return OwedEnd(JobId(job), 0.0, 0, at)


async def test_the_next_one_is_first_and_none_before_its_time(autojump_clock: trio.testing.MockClock) -> None:
    outbox = Outbox(wanted=True)
    outbox.put(owed("late", 9.0))
    outbox.put(owed("early", 3.0))
    assert outbox.take_due(2.0) is None
    assert outbox.take_due(10.0) == owed("early", 3.0)
    assert set(outbox.owed) == {"late", "early"}, "it is owed until it is told"
    assert outbox.oldest(7.0) == 7.0, "since the end of the job"
    outbox.forget(JobId("early"))
    assert set(outbox.owed) == {"late"}
    assert Outbox(wanted=True).oldest(7.0) == 0
    await outbox.wait(2.0, 60.0)  # something was new
    began = trio.current_time()
    await outbox.wait(2.0, 60.0)
    assert trio.current_time() - began == 7
    await outbox.wait(0.0, 5.0)
    assert trio.current_time() - began == 12


async def test_who_waits_hears_of_something_new_also_if_it_came_just_before(autojump_clock: trio.testing.MockClock) -> None:
    outbox = Outbox(wanted=True)
    outbox.put(owed("one", 50.0))
    began = trio.current_time()
    await outbox.wait(0.0, 60.0)
    assert trio.current_time() == began
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.wait, 0.0, 60.0)
        await trio.testing.wait_all_tasks_blocked()
        outbox.put(owed("two", 40.0))
    assert trio.current_time() == began
