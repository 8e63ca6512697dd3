"""Row 11: workers that idle while the count of active jobs stays up.

What this pins down: `coordinator_active_jobs` is read from the state, so that after jobs that completed, trapped, broke, were cancelled or
timed out it is 0 again, no share has a holder, and the next job runs at once. Of a job that does not get on, `zisk job stuck` names the
worker that holds the lease, since when, and what is waited for.
Victim: one job of each end; then a worker that computes for ever.
"""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.cluster.conftest import Start
from tests.faults.stage import ELF, metrics, until
from tests.unit.actors.conftest import OpenWorld
from zisk_actors.wire.values import Kind, Phase, State

pytestmark = pytest.mark.timeout(90)


@pytest.mark.cluster
@pytest.mark.slow
def test_every_end_of_a_job_brings_the_gauge_down(start: Start) -> None:
    cluster = start(workers=2)
    with cluster.connect() as client:
        ends = {
            client.submit(Kind.EXECUTE, ELF): State.COMPLETED,
            client.submit(Kind.PROVE, ELF, params="test"): State.COMPLETED,
            client.submit(Kind.PROVE, ELF, stdin=b"trap", params="test"): State.FAILED,
            client.submit(Kind.EXECUTE, b"no ELF"): State.FAILED,
            client.submit(Kind.PROVE, ELF, stdin=b"raise=0", params="test"): State.FAILED,
        }
        for job, end in ends.items():
            assert client.wait(job, seconds=60).state is end
        stuck = client.submit(Kind.PROVE, ELF, stdin=b"hang=0", params="test")
        until(lambda: metrics(cluster)["coordinator_active_jobs"] == 1, "one active job")
        assert client.cancel(stuck)[0]
        seen = metrics(cluster)
        assert seen["coordinator_active_jobs"] == 0
        assert seen['coordinator_shares{state="running"}'] == seen['coordinator_shares{state="waiting"}'] == 0
        assert seen["coordinator_workers_connected"] == 2
        assert client.wait(client.submit(Kind.PROVE, ELF, params="test"), seconds=60).state is State.COMPLETED
        assert metrics(cluster)["coordinator_active_jobs"] == 0


async def test_what_does_not_get_on_is_named(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as client:
        workers = {name: world.worker(name) for name in ("a", "b")}
        await world.workers_are("a", "b")
        job = await client.submit(Kind.PROVE, ELF, stdin=b"vhang=1", params="test")
        waits = await client.submit(Kind.PROVE, ELF, stdin=b"later", params="test")
        await trio.sleep(100)
        held, queued = sorted(await client.stalls(seconds=60), key=lambda stall: stall.share is None)
        assert (held.job, held.share, held.attempt) == (job, 1, 1)
        assert held.worker in ("a", "b")
        assert held.phase is Phase.CONTRIBUTE
        assert 95 < held.still_seconds <= held.held_seconds < 105
        assert held.waiting_for.startswith(f"worker {held.worker} to contribute share 1")
        assert queued.job == waits
        assert "compute units needed, 0 free of 20" in queued.waiting_for
        assert await client.stalls(seconds=200) == []

        victim = workers[held.worker]
        victim.offline = True
        victim.cut()
        await trio.sleep(2.5)
        said = {stall.share: stall.waiting_for for stall in await client.stalls(seconds=0)}
        assert "it has not been heard for" in said[1] or "its link is gone" in said[1]
        assert (await client.cancel(job))[0]
        assert [stall.job for stall in await client.stalls(seconds=0)] in ([waits], [])
