"""Row 22: a coordinator that is restarted, or killed, with jobs in every state.

What this pins down: an id that was given out answers after the restart; what was finished has its result; what was running goes on in the
phase in which it was; what was queued is queued; the same submit with the same key is the same job; workers come back by themselves and
the keys that were derived are not derived again.
Victim: the coordinator, in the phase "prove" of a job.
"""

from __future__ import annotations

from contextlib import aclosing

import pytest
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.wire.values import Kind, Phase, State

pytestmark = pytest.mark.timeout(60)


async def test_jobs_outlive_the_coordinator(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world:
        worker = world.worker("a")
        await world.workers_are("a")
        async with world.client() as client:
            done = await client.submit(Kind.PROVE, ELF, stdin=b"first", params="test")
            proof = await client.result(done)
            running = await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=10", params="test", key="running")
            queued = await client.submit(Kind.EXECUTE, ELF, stdin=b"later", key="queued")
            async with aclosing(client.watch(running)) as changes:
                async for _, status in changes:
                    if status.phase is Phase.PROVE:
                        break
        before = worker.device.log.count("ContributeCall")
        await world.stop()
        await world.start()
        assert world.coordinator.recorder.epoch == 2
        async with world.client() as client:
            assert await client.result(done) == proof
            assert await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=10", params="test", key="running") == running
            assert await client.submit(Kind.EXECUTE, ELF, stdin=b"later", key="queued") == queued
            assert (await client.wait(running)).state is State.COMPLETED
            assert (await client.wait(queued)).state is State.COMPLETED
            assert len(await client.jobs()) == 3
            (program,) = await client.programs()
            assert sorted(program.keys) == ["test"]
        assert worker.device.log.count("ContributeCall") == before, "the contributions were in the journal"
        assert world.device.log.count("SetupCall") == 1
