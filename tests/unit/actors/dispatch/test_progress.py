"""How far attempts are: since when, when they last moved, and what is shown of a share at which two workers are."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from zisk_actors.actors.dispatch.progress import DONE, WAITING, ProgressTable
from zisk_actors.ids import Incarnation, JobId, WorkerId
from zisk_actors.wire.values import Lease, Phase

JOB = JobId("one")


def lease(worker: str, share: int = 0, attempt: int = 1) -> Lease:
    return Lease(WorkerId(worker), Incarnation(f"start of {worker}"), JOB, share, attempt)


async def test_who_says_the_same_again_has_not_moved(autojump_clock: MockClock) -> None:
    table = ProgressTable()
    table.assigned(lease("a"))
    await trio.sleep(1)
    attempt = table.asked(lease("a"), Phase.PROVE)
    assert (attempt.held_since + 1, attempt.moved_at, attempt.step, attempt.heard) == (
        trio.current_time(),
        trio.current_time(),
        WAITING,
        False,
    )
    table.moved(lease("a"), "commit", 0.5)
    moved_at = trio.current_time()
    await trio.sleep(1)
    table.moved(lease("a"), "commit", 0.5)
    assert (attempt.moved_at, attempt.heard) == (moved_at, True)
    table.moved(lease("a"), "commit", 0.6)
    assert attempt.moved_at == trio.current_time()


async def test_of_two_attempts_the_older_is_shown_with_how_far_the_further_is(autojump_clock: MockClock) -> None:
    table, first, second = ProgressTable(), lease("a"), lease("b", attempt=2)
    old = table.asked(first, Phase.PROVE)
    table.moved(first, "commit", 0.2)
    await trio.sleep(1)
    table.asked(second, Phase.PROVE)
    table.moved(second, "open", 0.7)
    shown = table.shares(JOB, Phase.PROVE)[0]
    assert (shown.worker, shown.second, shown.fraction, shown.step) == ("a", "b", 0.7, "open")
    old.over = True
    shown = table.shares(JOB, Phase.PROVE)[0]
    assert (shown.worker, shown.attempt, shown.second, shown.fraction) == ("b", 2, None, 0.7)
    table.done(second)
    assert table.shares(JOB, Phase.PROVE)[0].step == DONE


async def test_a_share_that_is_done_anew_shows_nothing_of_before(autojump_clock: MockClock) -> None:
    table = ProgressTable()
    for share in (0, 1):
        table.asked(lease("a", share), Phase.PROVE)
        table.done(lease("a", share))
    table.anew(JOB, 0)
    assert list(table.shares(JOB, Phase.PROVE)) == [1]
    assert table.shares(JOB, Phase.AGGREGATE) == table.shares(JOB, None) == {}
    assert table.workers_of(JOB) == ["a"]
    table.ended(JOB)
    assert (table.workers_of(JOB), table.find(lease("a"))) == ([], None)
