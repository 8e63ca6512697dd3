"""The HTTP server: what it answers, and what a hostile peer gets from it. Streams in memory with trio's clock, and loopback for ports."""

from __future__ import annotations

import random
import socket

import h11
import pytest
import trio
import trio.testing
from trio.testing import memory_stream_pair

from zisk_actors.errors import PortInUse
from zisk_actors.web.server import (
    JSON,
    PLAIN,
    CannotListen,
    Crowd,
    HttpAnswer,
    HttpLimits,
    listen_http,
    serve_http,
    serve_listeners,
    url_of,
)

BIG = b"x" * 3_000_000


async def hello() -> HttpAnswer:
    return HttpAnswer(200, PLAIN, b"hello\n")


async def data() -> HttpAnswer:
    return HttpAnswer(503, JSON, b'{"status":"starting"}')


async def broken() -> HttpAnswer:
    raise ZeroDivisionError


async def slow() -> HttpAnswer:
    await trio.sleep_forever()
    raise AssertionError("it slept forever")


async def big() -> HttpAnswer:
    return HttpAnswer(200, PLAIN, BIG)


ROUTES = {"/hello": hello, "/data": data, "/broken": broken, "/slow": slow, "/big": big}
LIMITS = HttpLimits()


class Server:
    """A server in memory. `refusals` are the reasons it has given."""

    def __init__(self, nursery: trio.Nursery, limits: HttpLimits) -> None:
        self.nursery = nursery
        self.refusals: list[str] = []
        self.crowd = Crowd(ROUTES, limits, self.refusals.append)

    def dial(self) -> trio.StapledStream:
        client, server = memory_stream_pair()
        self.nursery.start_soon(self.crowd.serve, server)
        return client


@pytest.fixture
def server(nursery: trio.Nursery) -> Server:
    return Server(nursery, LIMITS)


class Client:
    """A correct HTTP client over a stream: h11's other side."""

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self.stream = stream
        self.http = h11.Connection(h11.CLIENT)

    async def ask(self, target: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        if self.http.our_state is h11.DONE:
            self.http.start_next_cycle()
        request = h11.Request(method=method, target=target, headers=[("Host", "test"), *headers.items()])
        await self.stream.send_all((self.http.send(request) or b"") + (self.http.send(h11.EndOfMessage()) or b""))
        return await self.answer()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = 0, {}, b""
        while True:
            event = self.http.next_event()
            if event is h11.NEED_DATA:
                self.http.receive_data(await self.stream.receive_some(65536))
            elif isinstance(event, h11.Response):
                status = event.status_code
                headers = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                return status, headers, body


async def drip(stream: trio.abc.SendStream, content: bytes, seconds: float) -> None:
    """Send a byte at a time, until the other side has gone, which it must before the content ends."""
    with pytest.raises(trio.BrokenResourceError):  # noqa: PT012 - any of the sends may be the one
        for letter in content:
            await stream.send_all(bytes([letter]))
            await trio.sleep(seconds)


async def all_of(stream: trio.abc.ReceiveStream) -> bytes:
    """Everything up to the end of the stream."""
    content = b""
    while piece := await stream.receive_some():
        content += piece
    return content


# ------------------------------------------------------------------------------------------------------------------- answers


async def test_a_page_is_served_with_its_type(server: Server):
    status, headers, body = await Client(server.dial()).ask("/data")
    assert (status, body) == (503, b'{"status":"starting"}')
    assert headers["content-type"] == JSON
    assert headers["cache-control"] == "no-store"
    assert "date" in headers


async def test_a_connection_is_kept(server: Server):
    client = Client(server.dial())
    for _ in range(3):
        assert (await client.ask("/hello"))[2] == b"hello\n"
    assert server.crowd.open == 1


async def test_pipelined_requests_are_answered_in_order(server: Server):
    stream = server.dial()
    await stream.send_all(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /data HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    content = await all_of(stream)
    assert content.index(b"200 ") < content.index(b"hello") < content.index(b"503 ") < content.index(b"starting")


async def test_http_1_0_ends_the_connection(server: Server):
    stream = server.dial()
    await stream.send_all(b"GET /hello HTTP/1.0\r\n\r\n")
    assert (await all_of(stream)).endswith(b"\r\n\r\nhello\n")


async def test_head_has_the_length_and_no_body(server: Server):
    client = Client(server.dial())
    status, headers, body = await client.ask("/hello", "HEAD")
    assert (status, headers["content-length"], body) == (200, "6", b"")
    assert (await client.ask("/hello"))[2] == b"hello\n"


async def test_a_query_is_ignored(server: Server):
    assert (await Client(server.dial()).ask("/hello?name=x"))[0] == 200


@pytest.mark.parametrize("path", ["/", "/hell", "/hello/", "/hello%00", "/../hello", "//hello", "http://a/hello"])
async def test_any_other_path_is_not_found_and_names_what_there_is(server: Server, path: str):
    status, _, body = await Client(server.dial()).ask(path)
    assert status == 404
    assert b"/hello" in body


async def test_a_page_that_breaks_is_an_answer(server: Server, capsys: pytest.CaptureFixture[str]):
    client = Client(server.dial())
    assert (await client.ask("/broken"))[0] == 500
    assert (await client.ask("/hello"))[0] == 200
    printed = capsys.readouterr()
    assert "ZeroDivisionError" in printed.out + printed.err


async def test_a_page_that_never_comes_is_an_answer(server: Server, autojump_clock: trio.testing.MockClock):
    client = Client(server.dial())
    assert (await client.ask("/slow"))[0] == 503
    assert trio.current_time() == pytest.approx(LIMITS.answer_seconds)
    assert (await client.ask("/hello"))[0] == 200


# ---------------------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "http-malformed"),
        (b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0CURVE\r\n\r\n", 400, "http-malformed"),
        (b"GET /hello\r\n\r\n", 400, "http-malformed"),
        (b"GET /hello HTTP/1.1\r\n\r\n", 400, "http-malformed"),
        (b"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "http-malformed"),
        (b"GET /h\xe9llo HTTP/1.1\r\nHost: a\r\n\r\n", 400, "http-malformed"),
        (b"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "http-malformed"),
        (b"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 413, "http-body"),
        (b"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999\r\n\r\n", 413, "http-body"),
        (b"GET /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 413, "http-body"),
        (b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405, "http-method"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405, "http-method"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431, "http-too-large"),
        (b"GET /hello HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20_000, 431, "http-too-large"),
        (b"GET /hello HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 4000, 431, "http-too-large"),
    ],
    ids=lambda value: value[:24].decode("latin-1") if isinstance(value, bytes) else str(value),
)
async def test_what_is_not_a_request_is_refused_by_name(server: Server, sent: bytes, status: int, reason: str):
    stream = server.dial()
    await stream.send_all(sent)
    await stream.send_eof()
    content = await all_of(stream)
    assert content.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in content.lower()
    assert server.refusals == [reason]
    await trio.testing.wait_all_tasks_blocked()
    assert server.crowd.open == 0


@pytest.mark.parametrize("seed", range(3))
async def test_random_bytes_break_nothing(server: Server, seed: int):
    generator = random.Random(seed)
    for _ in range(40):
        stream = server.dial()
        request = bytearray(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for _ in range(generator.randrange(1, 5)):
            request[generator.randrange(len(request))] = generator.randrange(256)
        await stream.send_all(bytes(request))
        await stream.send_eof()
        assert (await all_of(stream)).startswith(b"HTTP/1.1 ")
    await trio.testing.wait_all_tasks_blocked()
    assert server.crowd.open == 0
    assert (await Client(server.dial()).ask("/hello"))[0] == 200


async def test_a_peer_that_leaves_early_is_no_trouble(server: Server):
    for sent in (b"", b"GET /he", b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n"):
        stream = server.dial()
        if sent:
            await stream.send_all(sent)
        await stream.aclose()
    await trio.testing.wait_all_tasks_blocked()
    assert server.crowd.open == 0


# ---------------------------------------------------------------------------------------------------------------------- the slow


async def test_dripping_headers_end_at_the_deadline(server: Server, autojump_clock: trio.testing.MockClock):
    stream = server.dial()
    await drip(stream, b"GET /hello HTTP/1.1\r\nHost: " + b"a" * 1000, 1)
    assert trio.current_time() <= LIMITS.request_seconds + LIMITS.linger_seconds + 1
    assert server.refusals == ["http-slow"]


async def test_who_says_nothing_is_told_and_left(server: Server, autojump_clock: trio.testing.MockClock):
    stream = server.dial()
    assert (await all_of(stream)).startswith(b"HTTP/1.1 408 ")
    await stream.aclose()
    assert trio.current_time() == pytest.approx(LIMITS.request_seconds)
    assert server.refusals == ["http-slow"]


async def test_an_idle_connection_is_closed_without_a_word(server: Server, autojump_clock: trio.testing.MockClock):
    client = Client(server.dial())
    await client.ask("/hello")
    await trio.sleep(LIMITS.idle_seconds - 1)
    await client.ask("/hello")
    assert await all_of(client.stream) == b""
    assert trio.current_time() == pytest.approx(2 * LIMITS.idle_seconds - 1)
    assert server.refusals == []


async def test_a_later_request_that_drips_is_refused_too(server: Server, autojump_clock: trio.testing.MockClock):
    client = Client(server.dial())
    await client.ask("/hello")
    await trio.sleep(LIMITS.idle_seconds - 1)
    await client.stream.send_all(b"GET /hello HT")
    assert (await all_of(client.stream)).startswith(b"HTTP/1.1 408 ")
    assert trio.current_time() == pytest.approx(LIMITS.idle_seconds - 1 + LIMITS.request_seconds)


async def test_the_linger_ends_whatever_the_peer_sends(server: Server, autojump_clock: trio.testing.MockClock):
    stream = server.dial()
    await stream.send_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    await drip(stream, b"x" * 1000, 0.1)
    assert trio.current_time() <= LIMITS.linger_seconds + 0.2


async def test_who_does_not_take_the_answer_is_left(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery):
    client, stream = trio.testing.lockstep_stream_pair()
    server = Server(nursery, LIMITS)
    nursery.start_soon(server.crowd.serve, stream)
    await client.send_all(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
    await trio.sleep(LIMITS.answer_seconds + LIMITS.linger_seconds + 1)
    assert server.refusals == ["http-slow"]
    assert server.crowd.open == 0


# --------------------------------------------------------------------------------------------------------------------- the crowd


async def test_the_longest_waiting_makes_room(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock):
    server = Server(nursery, HttpLimits(connections=3))
    client = Client(server.dial())
    await client.ask("/hello")
    idlers = []
    for _ in range(2):
        idlers.append(server.dial())
        await trio.testing.wait_all_tasks_blocked()
    await client.ask("/hello")  # it has been heard since the idlers came
    assert (await Client(server.dial()).ask("/hello"))[0] == 200
    assert server.refusals == ["http-crowded"]
    assert await all_of(idlers[0]) == b""
    assert (await client.ask("/hello"))[0] == 200
    assert server.crowd.open == 3


async def test_nobody_makes_room_while_all_are_served(nursery: trio.Nursery):
    server = Server(nursery, HttpLimits(connections=2, answer_seconds=0.05))
    busy = [server.dial() for _ in range(2)]
    for stream in busy:
        await stream.send_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await trio.testing.wait_all_tasks_blocked()
    assert await all_of(server.dial()) == b""
    assert server.refusals == ["http-crowded"]
    for stream in busy:
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 503 ")


async def test_a_thousand_slow_peers_do_not_shut_a_scrape_out(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock):
    server = Server(nursery, LIMITS)
    for number in range(1000):
        stream = server.dial()
        await stream.send_all(b"GET /hello HTTP/1.1\r\nHost: ")
        if number % 100 == 0:
            assert (await Client(server.dial()).ask("/hello"))[0] == 200
            assert server.crowd.open <= LIMITS.connections + 1
    began = trio.current_time()
    assert (await Client(server.dial()).ask("/hello"))[0] == 200
    assert trio.current_time() == began
    await trio.sleep(LIMITS.idle_seconds + LIMITS.linger_seconds + 1)
    assert server.crowd.open == 0


# ------------------------------------------------------------------------------------------------------------------------- ports


async def test_loopback(nursery: trio.Nursery):
    url = await nursery.start(lambda task_status: serve_http(ROUTES, "127.0.0.1", 0, task_status=task_status))
    assert url.startswith("http://127.0.0.1:")
    stream = await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2]))
    status, _, body = await Client(stream).ask("/big")
    assert (status, len(body)) == (200, len(BIG))
    await stream.aclose()
    nursery.cancel_scope.cancel()


async def test_the_answer_to_a_long_upload_arrives(nursery: trio.Nursery):
    url = await nursery.start(lambda task_status: serve_http(ROUTES, "127.0.0.1", 0, task_status=task_status))
    stream = await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2]))
    await stream.send_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n" + b"x" * 40_000)
    await stream.send_eof()
    assert (await all_of(stream)).startswith(b"HTTP/1.1 405 ")
    await stream.aclose()
    nursery.cancel_scope.cancel()


async def test_a_port_in_use_is_named_with_its_key():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"port {port} of 127\.0\.0\.1 .*\(metrics\.port, --metrics-port\)"):
            await listen_http("127.0.0.1", port, "metrics.port, --metrics-port")


@pytest.mark.parametrize("host", ["192.0.2.1", "no host of this name"])
async def test_an_address_that_is_not_ours_is_named(host: str):
    with pytest.raises(CannotListen, match=r"metrics\.port"):
        await listen_http(host, 0)


async def test_what_was_bound_first_is_served_later_and_closed(nursery: trio.Nursery):
    listeners = await listen_http("127.0.0.1", 0)
    url = url_of(listeners[0])
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as inner:
            assert await inner.start(lambda task_status: serve_listeners(ROUTES, listeners, task_status=task_status)) == url
            scope.cancel()
    await (await listen_http("127.0.0.1", int(url.rpartition(":")[2])))[0].aclose()


async def test_url_of_an_ipv6_address():
    try:
        listeners = await listen_http("::1", 0)
    except CannotListen:
        pytest.skip("no IPv6 on this machine")
    assert url_of(listeners[0]).startswith("http://[::1]:")
    await listeners[0].aclose()
