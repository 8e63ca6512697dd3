"""One connected client: its link, and its requests that are open.

Rules of this file:
* A refusal has a code, the manual's name and number, and says what to do.
* What cannot be read is answered where its number can be, so that nobody waits for an answer to it.
* At most `MAX_REQUESTS` of one client are open; more are refused, not queued.
* What there is to ask for, who may, and what is done then, is in `requests.py`.
* A client that is silent for `SILENCE_SECONDS` is forgotten; its jobs are not.
"""

from __future__ import annotations

import itertools
from typing import Any, Final

import msgspec
import trio

from zisk_actors import log
from zisk_actors.actors.clients.caller import Caller
from zisk_actors.actors.clients.readable import Readable
from zisk_actors.actors.clients.refusals import BadRequest, TooManyRequests, refusal_of
from zisk_actors.actors.clients.requests import perform
from zisk_actors.actors.clients.rights import Rights, RoleOf
from zisk_actors.actors.clients.services import Services
from zisk_actors.actors.transfer import Exchange
from zisk_actors.errors import ZiskError
from zisk_actors.transport.base import Link, LinkClosed, seldom
from zisk_actors.wire.client_link import (
    ClientSays,
    Leave,
    Ping,
    Pong,
    Unwatch,
    WatchJob,
)
from zisk_actors.wire.codec import Unpacker, pack
from zisk_actors.wire.errors import WireError
from zisk_actors.wire.transfer import Chunk, FetchChunk, NoChunk

MAX_REQUESTS: Final = 64
SILENCE_SECONDS: Final = 60.0


class ClientPort:
    """Serves the links of clients, with what they may ask for."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._connections = itertools.count(1)

    async def serve(self, link: Link, role_of: RoleOf) -> None:
        """Serve a client until it is gone."""
        client = _Client(link, next(self._connections), self._services, Rights(link.peer.key, role_of))
        try:
            async with trio.open_nursery() as nursery:
                await client.run(nursery)
                nursery.cancel_scope.cancel()
        finally:
            client.exchange.close()
            with trio.CancelScope(shield=True):
                await link.aclose()


class _Client:
    """One client's link and its open requests."""

    def __init__(self, link: Link, number: int, services: Services, rights: Rights) -> None:
        self._link = link
        self._number = number
        self._services = services
        self._log = log.get()
        self._unpacker: Unpacker[Any] = Unpacker(ClientSays)  # Any: the union has no type of its own
        self._open: dict[int, trio.CancelScope] = {}
        readable = Readable(rights, services.jobs, services.programs)
        self.exchange = Exchange(self._send_with, services.store, may_read=readable, sender=rights.key)
        self._caller = Caller(services, rights, readable, self.exchange, self._send)

    async def run(self, nursery: trio.Nursery) -> None:
        while True:
            try:
                with trio.fail_after(SILENCE_SECONDS):
                    frames = await self._link.receive()
                message, bulk, _ = self._unpacker.unpack(frames)
                if isinstance(message, FetchChunk | Chunk | NoChunk):
                    await self.exchange.take(message, bulk)
                elif isinstance(message, Ping):
                    await self._send(Pong(message.request, self._number))
                elif isinstance(message, Leave):
                    return
                elif isinstance(message, Unwatch):
                    if (scope := self._open.get(message.request)) is not None:
                        scope.cancel()
                elif message.request in self._open and not isinstance(message, WatchJob):
                    pass  # said again while the answer is on its way
                elif len(self._open) >= MAX_REQUESTS:
                    await self._refuse(message.request, TooManyRequests(f"{MAX_REQUESTS} requests of this client are open"))
                else:
                    if (scope := self._open.get(message.request)) is not None:
                        scope.cancel()
                    scope = self._open[message.request] = trio.CancelScope()
                    nursery.start_soon(self._serve, message, bulk, scope)
            except (LinkClosed, trio.TooSlowError):
                return
            except WireError as error:
                if not await self._is_told(error):
                    return

    async def _is_told(self, error: WireError) -> bool:
        """Answer a message that cannot be read, where its number can be, and count it; False where the client is gone."""
        try:
            if error.request is not None:
                await self._send(refusal_of(error.request, BadRequest(error.message, hint=error.hint)))
        except LinkClosed:
            return False
        if seldom(count := self._link.refuse(error.code)):
            peer = self._link.peer
            self._log.warning(
                "client port: bad message", peer=peer.address, key=peer.key, code=error.code, error=error.message, so_far=count
            )
        return True

    async def _serve(self, message: Any, bulk: bytes, scope: trio.CancelScope) -> None:
        began = trio.current_time()
        status = "gone"
        try:
            with scope:
                await perform(self._caller, message, bulk)
            status = "cancelled" if scope.cancelled_caught else "ok"
        except LinkClosed:
            await self._link.aclose()
        except ZiskError as error:
            status = error.code
            try:
                await self._refuse(message.request, error)
            except LinkClosed:
                await self._link.aclose()
        finally:
            self._services.metrics.request_finished(type(message).__name__, status, trio.current_time() - began)
            if self._open.get(message.request) is scope:
                del self._open[message.request]

    async def _refuse(self, number: int, error: ZiskError) -> None:
        self._services.metrics.refused("client", error.code)
        self._log.info("request refused", peer=self._link.peer.address, code=error.code, error=error.message)
        await self._send(refusal_of(number, error))

    async def _send(self, message: msgspec.Struct) -> None:
        await self._send_with(message, b"")

    async def _send_with(self, message: msgspec.Struct, bulk: bytes) -> None:
        await self._link.send(pack(message, bulk, epoch=self._services.epoch))
