"""Row 17: a limit that is too low, raised in the core file.

What this pins down: `coordinator.config_file` names a file whose [coordinator] table holds the limits; a job that failed with "phase
timeout" under the low one completes under the raised one.
Victim: a contribution of 100 s under a limit of 50 s.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.config import CoordinatorConfig, load
from zisk_actors.wire.values import Kind, State

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(("limit", "end"), [(50, State.FAILED), (150, State.COMPLETED)])
async def test_the_limit_of_the_core_file_is_the_limit(
    limit: int, end: State, open_world: OpenWorld, autojump_clock: MockClock, tmp_path: Path
) -> None:
    server = tmp_path / "coordinator.toml"
    server.write_text('[coordinator]\nconfig_file = "core.toml"\nphase1_timeout_seconds = 1\n')
    (tmp_path / "core.toml").write_text(f"[coordinator]\nphase1_timeout_seconds = {limit}\n")
    config, _ = load(CoordinatorConfig, [(server, True)], {}, {}, {})
    async with (
        open_world(phase1_timeout_seconds=config.coordinator.phase1_timeout_seconds, phase3_timeout_seconds=150) as world,
        world.client() as client,
    ):
        world.worker("a")
        await world.workers_are("a")
        status = await client.wait(await client.submit(Kind.PROVE, ELF, stdin=b"vsleep=100", params="test"))
        assert status.state is end
        assert (status.failure is not None and status.failure.limit_seconds == limit) is (end is State.FAILED)
