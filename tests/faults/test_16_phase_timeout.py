"""Row 16: a phase that takes longer than its limit.

What this pins down: the defaults are the manual's 300, 600 and 100 s; the job fails as Timeout with the phase and the limit, the log has
"phase timeout" with the worker that is slow and the shares that are missing, every worker of the job stops its device, and the next job
runs. What stands still is tried again before that, within the limit.
Victim: the contribution of share 0, which never ends; that of share 1 stands still for longer than the limit.
"""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.client.errors import JobFailure
from zisk_actors.config import CoordinatorCore
from zisk_actors.wire.values import FailureKind, Kind, Phase, State

pytestmark = pytest.mark.timeout(60)


async def test_the_job_fails_with_phase_and_limit_and_everybody_stops(
    open_world: OpenWorld, autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_world(phase1_timeout_seconds=50) as world, world.client() as client:
        workers = [world.worker("a"), world.worker("b")]
        await world.workers_are("a", "b")
        began = trio.current_time()
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vhang=0 vsleep=1000", params="test")
        with pytest.raises(JobFailure) as caught:
            await client.result(job)
        assert trio.current_time() - began == pytest.approx(50, abs=1)
        failure = caught.value.failure
        assert (failure.kind, failure.phase, failure.limit_seconds) == (FailureKind.TIMEOUT, Phase.CONTRIBUTE, 50.0)
        assert "attempts before: worker " in failure.message
        mine = [one for one in failure.attempts if one.phase is Phase.CONTRIBUTE and f"share {one.share} is over" in failure.message]
        assert mine
        for attempt in mine:
            assert f"worker {attempt.worker}: {attempt.reason}" in failure.message, "every attempt is named"
        assert (await client.job(job)).state is State.FAILED
        await trio.sleep(2)
        assert [worker.device.killed for worker in workers] == [2, 2], "once each for standing still, and at the end"
        assert (await client.wait(await client.submit(Kind.PROVE, ELF, params="test"))).state is State.COMPLETED
    streams = capsys.readouterr()
    line = next(line for line in (streams.out + streams.err).splitlines() if "phase timeout" in line and "limit_seconds=50" in line)
    assert "elapsed_seconds=50" in line
    assert "phase=contribute" in line
    assert "worker=" in line


def test_the_defaults_are_the_manuals() -> None:
    core = CoordinatorCore()
    assert (core.phase1_timeout_seconds, core.phase2_timeout_seconds, core.phase3_timeout_seconds) == (300, 600, 100)
