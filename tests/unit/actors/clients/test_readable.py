"""What a client may read, name and have kept: its own, and no more than its share."""

from __future__ import annotations

import msgspec
import pytest
import trio

from tests.unit.actors.conftest import ELF, OpenWorld
from zisk_actors.actors.clients.rights import CLIENT, OPERATOR
from zisk_actors.client.client import Client
from zisk_actors.client.errors import ClusterRefused
from zisk_actors.errors import NotFoundError
from zisk_actors.ids import BlobId
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.client_link import AddProgram, EndInput, PushInput, Submit
from zisk_actors.wire.values import BlobRef, Kind, State

SECRET = b"vsleep=0 nobody else is to see this"


async def refused(code: str, ask: object) -> ClusterRefused:
    with pytest.raises(ClusterRefused) as refusal:
        await ask  # type: ignore[misc]
    assert refusal.value.code == code
    return refusal.value


async def test_who_knows_a_hash_has_no_right_to_the_blob(open_world: OpenWorld, autojump_clock: object) -> None:
    async with open_world() as world, world.client("anna", CLIENT) as anna, world.client("ben", CLIENT) as ben:
        world.worker("w")
        job = await anna.submit(Kind.EXECUTE, ELF, stdin=SECRET)
        result = (await anna.wait(job)).result
        assert result is not None
        stdin = reference(SECRET)
        for blob in (reference(ELF), stdin, result):
            assert await anna.fetch(blob)
            with pytest.raises(NotFoundError):
                await ben.fetch(blob)
            async with world.client("olga", OPERATOR) as olga:
                assert await olga.fetch(blob)
        await refused("input-not-found", ben.submit(Kind.EXECUTE, ELF, stdin=stdin))
        await refused("program-not-found", ben.submit(Kind.EXECUTE, BlobRef(BlobId(reference(b"\x7fELF2").sha256), 5)))
        again = await ben.submit(Kind.EXECUTE, ELF, stdin=SECRET)  # who has the bytes may
        assert (await ben.wait(again)).state is State.COMPLETED
        await trio.sleep(2)
        assert await ben.fetch(stdin) == SECRET


async def test_an_input_that_is_streamed_is_what_came_and_not_what_another_has(open_world: OpenWorld, autojump_clock: object) -> None:
    async with open_world() as world, world.client("anna", CLIENT) as anna, world.client("ben", CLIENT) as ben:
        await anna.submit(Kind.EXECUTE, ELF, stdin=SECRET)
        for came in (b"", bytes(len(SECRET))):
            asked = Submit(1, kind="execute", program=reference(ELF), streamed=True, params="test")
            job = await _submit(ben, asked)
            await refused("input-mismatch", _stream(ben, job, came, reference(SECRET)))
            await ben.cancel(job)


async def _submit(client: Client, asked: Submit) -> str:
    offer = client._talk.blobs.put(ELF)
    try:
        return (await client._talk.ask(msgspec.structs.replace(asked, request=client._talk.number()))).job
    finally:
        client._talk.blobs.drop(offer)


async def _stream(client: Client, job: str, content: bytes, named: BlobRef) -> None:
    if content:
        await client._talk.ask(PushInput(client._talk.number(), job, 0), content)
    await client._talk.ask(EndInput(client._talk.number(), job, named))


async def test_a_size_that_is_no_blobs_is_refused_and_spoils_nothing(open_world: OpenWorld, autojump_clock: object) -> None:
    async with open_world() as world, world.client("anna", CLIENT) as anna, world.client("ben", CLIENT) as ben:
        world.worker("w")
        sha256 = reference(ELF).sha256
        for size in (0, 1, len(ELF) + 1):
            with pytest.raises(ClusterRefused):
                await ben.ask_parts(AddProgram, BlobRef(sha256, size), "mine")
        added = await anna.add_program(ELF, name="fibonacci")
        assert (added.program, added.size) == (sha256, len(ELF))
        assert (await anna.wait(await anna.submit(Kind.EXECUTE, BlobRef(BlobId(added.program), added.size)))).state is State.COMPLETED


async def test_a_name_is_its_clients_own(open_world: OpenWorld, autojump_clock: object) -> None:
    async with open_world() as world, world.client("anna", CLIENT) as anna, world.client("ben", CLIENT) as ben:
        await ben.add_program(ELF, name="[link=evil]")
        assert await anna.programs() == []
        await anna.add_program(ELF, name="fibonacci")
        assert [program.name for program in await anna.programs()] == ["fibonacci"]
        assert [program.name for program in await ben.programs()] == ["[link=evil]"]
        job = await anna.submit(Kind.EXECUTE, ELF)
        assert (await anna.job(job)).program_name == "fibonacci"
        assert [each.job for each in await anna.jobs(program="fibonacci")] == [job]
        async with world.client("olga", OPERATOR) as olga:
            assert len(await olga.programs()) == 1
        await world.stop()
        await world.start()
        async with world.client("anna", CLIENT) as anna_again:
            assert [program.name for program in await anna_again.programs()] == ["fibonacci"]


async def test_a_program_goes_with_the_last_client_that_it_is_kept_for(open_world: OpenWorld, autojump_clock: object) -> None:
    async with open_world() as world, world.client("anna", CLIENT) as anna, world.client("ben", CLIENT) as ben:
        for client in (anna, ben):
            await client.add_program(ELF, name="fibonacci")
        await refused("program-not-found", anna.remove_program("nothing"))
        waiting = await anna.submit(Kind.EXECUTE, ELF)
        await refused("program-in-use", anna.remove_program("fibonacci"))
        await anna.cancel(waiting)
        assert (await anna.remove_program("fibonacci")).program == reference(ELF).sha256
        assert await anna.programs() == []
        assert len(world.coordinator.programs.known) == 1
        await ben.remove_program(reference(ELF).sha256[:8])
        assert len(world.coordinator.programs.known) == 0


async def test_a_program_that_nobody_uses_goes_in_its_time(open_world: OpenWorld, autojump_clock: object) -> None:
    async with open_world(program_ttl_seconds=2 * 86400) as world, world.client("anna", CLIENT) as anna:
        await anna.add_program(ELF, name="fibonacci")
        waiting = await anna.submit(Kind.EXECUTE, ELF)
        world.ahead = 3 * 86400
        await trio.sleep(100)
        assert len(await anna.programs()) == 1, "a job has not ended that uses it"
        await anna.cancel(waiting)
        await trio.sleep(100)
        assert await anna.programs() == []


async def test_no_client_has_more_kept_than_its_share(open_world: OpenWorld, autojump_clock: object) -> None:
    limits = {"max_kept_jobs_per_client": 3, "max_kept_bytes_per_client": 100, "max_programs_per_client": 2, "job_ttl_seconds": 60}
    async with open_world(**limits) as world, world.client("anna", CLIENT) as anna, world.client("ben", CLIENT) as ben:
        jobs = [await anna.submit(Kind.EXECUTE, ELF, stdin=bytes(40)) for _ in range(2)]
        refusal = await refused("client-quota", anna.submit(Kind.EXECUTE, ELF, stdin=bytes(40)))
        assert "inputs of 80 bytes of this client are kept, of at most 100, and this one has 40" in str(refusal)
        jobs.append(await anna.submit(Kind.EXECUTE, ELF))
        assert "3 jobs of this client are kept, of at most 3" in str(await refused("client-quota", anna.submit(Kind.EXECUTE, ELF)))
        await ben.submit(Kind.EXECUTE, ELF)
        await anna.add_program(ELF + b"2")
        assert "2 programs are kept for this client, of at most 2" in str(await refused("too-many-programs", anna.add_program(ELF + b"3")))
        for job in jobs:
            await anna.cancel(job)
        await refused("client-quota", anna.submit(Kind.EXECUTE, ELF))  # ended jobs are kept, too
        world.ahead = 100
        await trio.sleep(60)
        await anna.submit(Kind.EXECUTE, ELF, stdin=bytes(40))


async def test_what_rotted_here_is_taken_again_from_who_has_it(open_world: OpenWorld, autojump_clock: object) -> None:
    async with open_world() as world, world.client("anna", CLIENT) as anna:
        world.worker("w")
        await anna.submit(Kind.EXECUTE, ELF, stdin=SECRET)
        await world.stop()
        path = world.folder / "blobs" / reference(SECRET).sha256[:2] / reference(SECRET).sha256
        path.write_bytes(b"x" + SECRET[1:])
        await world.start()
        async with world.client("anna", CLIENT) as again:
            job = await again.submit(Kind.EXECUTE, ELF, stdin=SECRET)
            assert (await again.wait(job)).state is State.COMPLETED
        assert path.read_bytes() == SECRET
