"""Row 21: what a client is told when it is refused.

What this pins down: an id that does not exist is JOB_NOT_FOUND, 1001; a program that nobody has is PROGRAM_NOT_FOUND, 1002; a full queue
is SYSTEM_UNAVAILABLE, 2001, with the seconds after which to try again; each has an exit code of its own.
Victim: three requests.
"""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.client.errors import ClusterRefused
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.values import Kind

pytestmark = pytest.mark.timeout(60)


async def test_each_refusal_has_its_name_and_number(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world(max_queued_jobs=1) as world, world.client() as client:
        with pytest.raises(ClusterRefused) as caught:
            await client.job("00000000-0000-4000-8000-000000000000")
        assert (caught.value.name, caught.value.number, caught.value.exit_code) == ("JOB_NOT_FOUND", 1001, 3)
        with pytest.raises(ClusterRefused) as caught:
            await client.submit(Kind.EXECUTE, reference(b"nobody has this"))
        assert (caught.value.name, caught.value.number, caught.value.exit_code) == ("PROGRAM_NOT_FOUND", 1002, 3)
        await client.submit(Kind.EXECUTE, ELF)
        with pytest.raises(ClusterRefused) as caught:
            await client.submit(Kind.EXECUTE, ELF)
        assert (caught.value.name, caught.value.number, caught.value.exit_code) == ("SYSTEM_UNAVAILABLE", 2001, 9)
        assert caught.value.retry_after_seconds
