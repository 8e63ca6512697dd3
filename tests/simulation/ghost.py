"""A worker that speaks the protocol and keeps none of it: claims of leases that it never had, answers that nobody asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from tests.simulation.faults import Fault
from zisk_actors.errors import Unreachable
from zisk_actors.ids import WorkerId, new_incarnation, new_job_id
from zisk_actors.transport.base import LinkClosed
from zisk_actors.wire.blobs import reference
from zisk_actors.wire.codec import Unpacker, pack
from zisk_actors.wire.errors import WireError
from zisk_actors.wire.transfer import Chunk, FetchChunk
from zisk_actors.wire.values import Failure, FailureKind, Lease, Phase
from zisk_actors.wire.worker_link import PHASE_OF, Answer, CoordinatorSays, Failed, Heartbeat, Hello, Progress, Refused

if TYPE_CHECKING:
    from tests.simulation.world import World

GARBAGE = b"garbage"


async def haunt(world: World, fault: Fault) -> None:
    """Be there for a while. Every second time it has the id of a worker that lives, with another key."""
    chance = world.chance(f"ghost {fault.at}")
    name = WorkerId(f"ghost{fault.who}")
    start = new_incarnation(chance)
    with trio.move_on_after(min(fault.seconds, world.todo.quiet_at - fault.at)):
        try:
            link = await world.network.dial("workers", name, f"key of {name}")
            claims = _leases(world, name, start, chance)
            hello = Hello(worker=name, incarnation=start, units=5, version="1", backend="none", threads=1, pid=1, held=tuple(claims[:3]))
            if fault.detail < 0.3:
                hello = Hello(worker=world.workers[0].name, incarnation=start, units=5, version="1", backend="none", threads=1, pid=1)
            await link.send(pack(hello))
            async with trio.open_nursery() as nursery:

                async def pester() -> None:
                    while True:
                        await trio.sleep(0.5 * chance.random())
                        lease = chance.choice(_leases(world, name, start, chance))
                        phase = chance.choice(list(Phase)[:5])
                        await link.send(pack(_nonsense(chance.randrange(4), lease, phase)))

                nursery.start_soon(pester)
                unpacker: Unpacker[Any] = Unpacker(CoordinatorSays)
                while True:
                    message, _, epoch = unpacker.unpack(await link.receive())
                    if isinstance(message, Refused):
                        break
                    if isinstance(message, FetchChunk) and message.length <= len(GARBAGE):
                        await link.send(pack(Chunk(message.blob, message.offset), GARBAGE[: message.length], epoch=epoch))
                    if type(message) in PHASE_OF:
                        phase = PHASE_OF[type(message)]
                        await link.send(pack(_nonsense(int(fault.detail * 4), message.lease, phase), epoch=epoch))
                nursery.cancel_scope.cancel()
        except* (Unreachable, LinkClosed, WireError):
            pass
    for wire in world.network.of_host(name):
        wire.near.close()


def _leases(world: World, name: WorkerId, start: Any, chance: Any) -> list[Lease]:
    """Leases: of others, with our own name in them, and of jobs that there are not."""
    jobs = list(world.laws.records) or [new_job_id(chance)]
    real = list(world.laws.leases())
    mine = [Lease(name, start, lease.job, lease.share, lease.attempt) for lease in real]
    mine += [Lease(name, start, job, chance.randrange(3), chance.choice((1, 2, 9999))) for job in jobs]
    return real + mine


def _nonsense(kind: int, lease: Lease, phase: Phase) -> Any:
    match kind:
        case 0:
            return Answer(lease, phase, reference(GARBAGE), GARBAGE if lease.attempt % 2 else b"")
        case 1:
            return Failed(lease, phase, Failure(kind=FailureKind.PROOF, code="proof-invalid", message="boo", share=0))
        case 2:
            return Progress(lease, phase, "boo", 0.5)
        case _:
            return Heartbeat(1)
