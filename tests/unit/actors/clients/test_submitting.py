"""What a submit asks for: kinds that there are not, and keys that were used before, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.client.errors import ClusterRefused
from zisk_actors.wire.values import Kind


@pytest.mark.parametrize(
    ("kind", "code", "name"),
    [
        ("wrap", "kind-not-supported", "INVALID_PROOF_CONVERSION"),
        ("aggregate", "kind-not-supported", "INVALID_PROOF_CONVERSION"),
        ("mine", "unknown-kind", "INVALID_REQUEST"),
    ],
)
async def test_a_kind_that_there_is_not_is_refused_by_name(
    kind: str, code: str, name: str, open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    async with open_world() as world, world.client() as client:
        with pytest.raises(ClusterRefused, match=kind) as caught:
            await client.submit(kind, ELF)
        assert (caught.value.code, caught.value.name, caught.value.exit_code) == (code, name, 2)
        assert caught.value.hint
        assert await client.ping() == 1, "the connection lives on"
        assert world.coordinator.jobs.entries == {}


@pytest.mark.parametrize("change", [{"kind": Kind.SETUP}, {"program": ELF + b"2"}, {"stdin": b"2"}, {"params": "test"}])
async def test_a_key_that_was_used_for_something_else_is_refused(
    change: dict[str, Any], open_world: OpenWorld, autojump_clock: MockClock
) -> None:
    request = {"kind": Kind.EXECUTE, "program": ELF, "stdin": b"1", "params": "128", "key": "block-1"}
    async with open_world() as world, world.client() as client:
        job = await client.submit(**request)  # type: ignore[arg-type]
        assert await client.submit(**request, priority=7, name="it") == job  # type: ignore[arg-type]
        with pytest.raises(ClusterRefused, match=job) as caught:
            await client.submit(**request | change)  # type: ignore[arg-type]
        assert caught.value.code == "idempotency-conflict"
        assert len(world.coordinator.jobs.entries) == 1


async def test_submits_with_one_key_at_the_same_moment_are_one_job(open_world: OpenWorld, autojump_clock: MockClock) -> None:
    async with open_world() as world, world.client() as one, world.client() as another:
        jobs: list[str] = []

        async def submit(client: Any) -> None:
            jobs.append(await client.submit(Kind.EXECUTE, ELF, stdin=b"x" * 2_000_000, key="k"))

        async with trio.open_nursery() as nursery:
            for client in (one, another, one):
                nursery.start_soon(submit, client)
        assert len(set(jobs)) == 1
        assert len(world.coordinator.jobs.entries) == 1
