"""The wait for a disk: tried again until it is written, everything else passes through, and whoever wants to know is told."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from zisk_actors.actors.until_written import PAUSE_SECONDS, until_written
from zisk_actors.store.errors import StoreUnwritable


async def test_it_is_tried_again_until_it_is_written(autojump_clock: MockClock) -> None:
    errors = [StoreUnwritable("full"), StoreUnwritable("full still")]
    told: list[str] = []

    async def write() -> int:
        await trio.lowlevel.checkpoint()
        if errors:
            raise errors.pop(0)
        return 7

    began = trio.current_time()
    assert await until_written(write, waits=lambda error: told.append(error.message)) == 7
    assert told == ["full", "full still"]
    assert trio.current_time() - began == pytest.approx(2 * PAUSE_SECONDS)


async def test_what_is_no_fault_of_the_disk_passes_through(autojump_clock: MockClock) -> None:
    async def write() -> None:
        await trio.lowlevel.checkpoint()
        raise KeyError("another")

    with pytest.raises(KeyError):
        await until_written(write)
