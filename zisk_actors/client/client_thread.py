"""A trio client in a thread of its own, and how others call into it.

Rules of this file:
* One thread runs the trio client; calls from any one thread at a time.
* An interrupt (Ctrl-C) ends the waiting call and leaves the job running.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Generic, Self, TypeVar

import trio

from zisk_actors.client.client import Client, connect
from zisk_actors.client.conversation import Notice
from zisk_actors.errors import Unreachable
from zisk_actors.transport.auth import KeyPair

T = TypeVar("T")


class ClientThread:
    """A connected client; a context manager. Arguments and errors are those of `connect`."""

    def __init__(self, url: str, server_key: str, keys: KeyPair, *, seconds: float = 10.0, notice: Notice | None = None) -> None:
        self._notice = notice
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._client: Client | None = None
        self._stop: trio.Event | None = None
        self._thread = threading.Thread(target=self._run, args=(url, server_key, keys, seconds), name="zisk-client", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect; jobs run on."""
        if self._token is not None and self._stop is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._stop.set)
            self._thread.join(5)

    def _call(self, function: Callable[[Client], Awaitable[T]]) -> T:
        """Run one call in the client's thread. The wait here is in short steps, so that an interrupt gets through."""
        if self._token is None or self._client is None:
            raise Unreachable("the client is closed")
        client, done, box = self._client, threading.Event(), _Box[T]()
        scope = trio.CancelScope()

        async def perform() -> None:
            try:
                with scope:
                    box.value = [await function(client)]
            except Exception as error:
                box.error = error
            finally:
                done.set()

        token = self._token
        try:
            token.run_sync_soon(lambda: self._nursery.start_soon(perform))
        except trio.RunFinishedError:
            raise self._failure or Unreachable("the client is closed") from None
        try:
            while not done.wait(0.2):
                if not self._thread.is_alive():
                    raise self._failure or Unreachable("the client has stopped")
        except BaseException:
            if self._thread.is_alive():
                token.run_sync_soon(scope.cancel)
            raise
        if box.error is not None:
            raise box.error
        if not box.value:
            self._thread.join(5)
            raise self._failure or Unreachable("the client was closed during a call")
        return box.value[0]

    def _run(self, url: str, server_key: str, keys: KeyPair, seconds: float) -> None:
        async def main() -> None:
            async with connect(url, server_key, keys, seconds=seconds, notice=self._notice) as client, trio.open_nursery() as nursery:
                self._nursery = nursery
                self._token, self._client, self._stop = trio.lowlevel.current_trio_token(), client, trio.Event()
                self._ready.set()
                await self._stop.wait()
                nursery.cancel_scope.cancel()

        try:
            trio.run(main)
        except BaseException as error:
            self._failure = error
        finally:
            self._client = None
            self._ready.set()


class _Box(Generic[T]):
    """Where a call's outcome is put by one thread and read by another."""

    def __init__(self) -> None:
        self.value: list[T] = []
        self.error: Exception | None = None
