"""A small HTTP/1.1 server on trio: a few fixed pages, to GET and HEAD only, for anyone who can reach the port.

Rules of this file:
* The peer is hostile: what it may send has a size, and each wait for it has a deadline. Its bytes never reach a page.
* The number of connections is bounded. When all are taken, the one that has kept us waiting longest makes room for the new one, so that
  those who hold connections open cannot shut others out.
* One task per connection, owned by `serve_http`. No threads.
* A page that breaks is an answer 500 and a line in the log; the server goes on.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final, NamedTuple

import h11
import trio
from trio.abc import HalfCloseableStream

from zisk_actors import log
from zisk_actors.errors import PortInUse, UsageError

PLAIN: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"

RECEIVE_BYTES: Final = 4096
LINGER_BYTES: Final = 64 * 1024


class CannotListen(UsageError):
    """The address is not one of this machine, or not ours to use."""

    code = "cannot-listen"


class HttpAnswer(NamedTuple):
    """What a page says."""

    status: int
    content_type: str
    body: bytes


Page = Callable[[], Awaitable[HttpAnswer]]
Routes = Mapping[str, Page]


@dataclass(frozen=True)
class HttpLimits:
    """What one peer, and all of them together, may take. Times are the most that we wait for a peer, or a peer for a page."""

    connections: int = 128
    header_bytes: int = 8 * 1024
    request_seconds: float = 5.0
    """From its first byte, or from the connection's start, to the end of a request."""
    idle_seconds: float = 10.0
    """Between two requests."""
    answer_seconds: float = 10.0
    """For a page to be made, and again for it to be taken by the peer."""
    linger_seconds: float = 1.0
    """After the last answer, for a peer that still sends, so that it can read what we said."""


def _uncounted(reason: str) -> None:
    """Takes the reason of a refusal, where nobody counts them."""


async def listen_http(host: str, port: int, setting: str = "metrics.port") -> list[trio.SocketListener]:
    """Bind and listen, so that all ports can be had before any is used; port 0 takes a free one.

    `setting` names the key that holds the port. Raises `PortInUse` and `CannotListen`.
    """
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"port {port} of {host} for HTTP is in use by another process ({setting})", hint="choose another port, or 0 for any"
            ) from None
        where = f"{host}:{port} for HTTP ({setting})"
        raise CannotListen(f"cannot listen at {where}: {error.strerror or error}", hint="is it an address of this machine?") from None


def url_of(listener: trio.SocketListener) -> str:
    """Where a listener is, with the real port, such as http://127.0.0.1:9090."""
    host, port = listener.socket.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.socket.family == socket.AF_INET6 else f"http://{host}:{port}"


async def serve_http(
    routes: Routes,
    host: str,
    port: int,
    *,
    setting: str = "metrics.port",
    limits: HttpLimits | None = None,
    refused: Callable[[str], None] = _uncounted,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Listen at an address and serve until cancelled. Starts with the URL. Raises `PortInUse` and `CannotListen`."""
    listeners = await listen_http(host, port, setting)
    await serve_listeners(routes, listeners, limits=limits, refused=refused, task_status=task_status)


async def serve_listeners(
    routes: Routes,
    listeners: Sequence[trio.SocketListener],
    *,
    limits: HttpLimits | None = None,
    refused: Callable[[str], None] = _uncounted,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on what `listen_http` gave, and close it at the end. `refused` is told the reason of each refusal, a word from a fixed set."""
    crowd = Crowd(routes, limits or HttpLimits(), refused)
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, crowd.serve, list(listeners))
        task_status.started(url_of(listeners[0]))


class Crowd:
    """The connections that are open, in the order of since when each keeps us waiting."""

    def __init__(self, routes: Routes, limits: HttpLimits, refused: Callable[[str], None]) -> None:
        self.routes = routes
        self.limits = limits
        self.refused = refused
        self.open = 0
        self.waiting: dict[trio.CancelScope, None] = {}

    async def serve(self, stream: HalfCloseableStream) -> None:
        """Serve one connection, and close it."""
        scope = trio.CancelScope()
        if self.open >= self.limits.connections:
            self.refused("http-crowded")
            longest = next(iter(self.waiting), None)
            if longest is None:  # all the others are having their pages made
                await trio.aclose_forcefully(stream)
                return
            self.busy(longest)
            longest.cancel()
        self.open += 1
        try:
            with scope:
                await HttpConnection(self, scope, stream).run()
        finally:
            self.open -= 1
            self.busy(scope)
            await trio.aclose_forcefully(stream)

    def wait(self, scope: trio.CancelScope) -> None:
        """From now on this connection waits for its peer."""
        self.waiting.pop(scope, None)
        self.waiting[scope] = None

    def busy(self, scope: trio.CancelScope) -> None:
        """From now on it does not."""
        self.waiting.pop(scope, None)


class _Refusal(Exception):
    """A request that gets an answer and the end of the connection."""

    def __init__(self, status: int, reason: str, said: str) -> None:
        super().__init__(said)
        self.status = status
        self.reason = reason


class HttpConnection:
    """One connection, from its first request to its end."""

    def __init__(self, crowd: Crowd, scope: trio.CancelScope, stream: HalfCloseableStream) -> None:
        self._crowd = crowd
        self._limits = crowd.limits
        self._scope = scope
        self._stream = stream
        self._head = False
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=crowd.limits.header_bytes)

    async def run(self) -> None:
        """Answer requests until the peer leaves, is refused, or says nothing for too long."""
        fresh = True
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            try:
                while (request := await self._request(fresh=fresh)) is not None:
                    self._crowd.busy(self._scope)
                    answer = await self._page(request)
                    self._crowd.wait(self._scope)
                    if not await self._send(answer) or self._http.our_state is h11.MUST_CLOSE:
                        break
                    self._http.start_next_cycle()
                    fresh = False
            except _Refusal as refusal:
                self._crowd.refused(refusal.reason)
                await self._send(HttpAnswer(refusal.status, PLAIN, f"{refusal}\n".encode()), close=True)
            await self._part()

    async def _request(self, *, fresh: bool) -> h11.Request | None:
        """The next request, complete; None where the peer is done. Raises `_Refusal`."""
        self._crowd.wait(self._scope)
        begun = fresh
        with trio.move_on_after(self._limits.request_seconds if fresh else self._limits.idle_seconds) as patience:
            while True:
                try:
                    event = self._http.next_event()
                except h11.RemoteProtocolError as error:
                    reason = "http-too-large" if error.error_status_hint == 431 else "http-malformed"
                    raise _Refusal(error.error_status_hint, reason, str(error)) from None
                if event is h11.NEED_DATA:
                    content = await self._stream.receive_some(RECEIVE_BYTES)
                    self._http.receive_data(bytes(content))
                    if not begun:
                        begun = True
                        patience.deadline = trio.current_time() + self._limits.request_seconds
                elif isinstance(event, h11.Request):
                    self._check(event)
                    return event
                else:
                    return None
        if begun:
            raise _Refusal(408, "http-slow", f"no complete request within {self._limits.request_seconds:g} s")
        return None

    def _check(self, request: h11.Request) -> None:
        self._head = request.method == b"HEAD"
        if request.method not in (b"GET", b"HEAD"):
            raise _Refusal(405, "http-method", "only GET and HEAD are answered here")
        with suppress(h11.RemoteProtocolError):  # a body that is malformed is a body
            if isinstance(self._http.next_event(), h11.EndOfMessage):
                return
        raise _Refusal(413, "http-body", "a request has no body here")

    async def _page(self, request: h11.Request) -> HttpAnswer:
        path = request.target.partition(b"?")[0].decode("ascii")
        page = self._crowd.routes.get(path)
        if page is None:
            return HttpAnswer(404, PLAIN, f"there is {', '.join(self._crowd.routes)}\n".encode())
        try:
            with trio.fail_after(self._limits.answer_seconds):
                return await page()
        except trio.TooSlowError:
            return HttpAnswer(503, PLAIN, b"this takes too long now\n")
        except Exception:  # whatever is wrong with a page, the cluster behind it works
            log.get().exception("HTTP page failed", path=path)
            return HttpAnswer(500, PLAIN, b"internal error; the log says more\n")

    async def _send(self, answer: HttpAnswer, *, close: bool = False) -> bool:
        """Send an answer; False where the peer does not take it in time."""
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            ("Date", formatdate(usegmt=True)),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        headers += [("Allow", "GET, HEAD")] if answer.status == 405 else []
        headers += [("Connection", "close")] if close else []
        content = self._http.send(h11.Response(status_code=answer.status, headers=headers)) or b""
        if not self._head:
            content += self._http.send(h11.Data(data=answer.body)) or b""
        content += self._http.send(h11.EndOfMessage()) or b""
        with trio.move_on_after(self._limits.answer_seconds):
            await self._stream.send_all(content)
            return True
        self._crowd.refused("http-slow")
        return False

    async def _part(self) -> None:
        """Let the peer read our last words: a socket closed with unread input would take them back."""
        with trio.move_on_after(self._limits.linger_seconds):
            await self._stream.send_eof()
            left = LINGER_BYTES
            while left > 0 and (content := await self._stream.receive_some(RECEIVE_BYTES)):
                left -= len(content)
