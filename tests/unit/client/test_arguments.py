"""Wrong arguments of every public call: refused at once, by name, with nothing sent."""

from __future__ import annotations

import inspect
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
import trio
from trio.testing import MockClock

from zisk_actors.client import arguments
from zisk_actors.client.arguments import InvalidArgument
from zisk_actors.client.blocking import BlockingClient
from zisk_actors.client.client import Client, attach, connect
from zisk_actors.client.inputs import OpenInput
from zisk_actors.errors import UsageError
from zisk_actors.transport.auth import new_keypair
from zisk_actors.transport.base import Limits, Peer
from zisk_actors.transport.memory import MemoryLink, memory_pair
from zisk_actors.wire.client_link import ClientSays, Leave, Ping
from zisk_actors.wire.codec import Unpacker
from zisk_actors.wire.values import BlobRef, Kind, State

ELF: Final = b"\x7fELF the program"
JOB: Final = "01234567-89ab-4def-8123-456789abcdef"
LONG: Final = "x" * 201
NO_BLOB: Final = BlobRef("x", 1)  # type: ignore[arg-type]
TOO_BIG: Final = BlobRef("ab" * 32, -1)  # type: ignore[arg-type]
NO_TEXT: Final = "\ud800"

OPTIONS: Final[list[tuple[str, Any]]] = [
    *[("params", value) for value in ("", "A", "-", "x" * 33, 128, None)],
    *[("name", value) for value in (LONG, 7, None, b"name", NO_TEXT)],
    *[("priority", value) for value in (101, -101, 1.0, "1", None, True, 2**70)],
    *[("deadline", value) for value in (0, 0.0, -1, 1e10, math.nan, math.inf, "90s")],
    *[("min_units", value) for value in (-1, 10**9 + 1, 1.5, None, "1")],
    *[("units", value) for value in (-1, 10**9 + 1, 1.5, None, "1")],
    *[("queue", value) for value in (1, None, "yes")],
    *[("wait_for_cluster", value) for value in (1, None, "yes")],
]
PROGRAMS: Final[list[tuple[str, Any]]] = [("program", value) for value in ("guest.elf", Path("guest.elf"), None, 5, NO_BLOB, TOO_BIG)]
KEYS: Final[list[tuple[str, Any]]] = [("key", value) for value in (LONG, 5, b"key")]
INPUTS: Final[list[tuple[str, Any]]] = [("stdin", value) for value in ("input", None, 5, Path("input"), NO_BLOB)]
KINDS: Final[list[tuple[str, Any]]] = [("kind", value) for value in (5, None, LONG)]
JOBS: Final[list[tuple[str, Any]]] = [("job", value) for value in (None, 5, LONG, b"01234567", NO_TEXT)]
SECONDS: Final[list[tuple[str, Any]]] = [("seconds", value) for value in (-1, math.nan, "10")]

CALLS: Final[dict[str, tuple[dict[str, Any], list[tuple[str, Any]]]]] = {
    "prove": (
        {"program": ELF},
        [*PROGRAMS, *INPUTS, *OPTIONS, ("idempotency_key", LONG), ("idempotency_key", 5), ("on_progress", "print")],
    ),
    "submit": ({"kind": Kind.PROVE, "program": ELF}, [*KINDS, *PROGRAMS, *INPUTS, *KEYS, *OPTIONS]),
    "open_input": ({"kind": Kind.PROVE, "program": ELF}, [*KINDS, *PROGRAMS, *KEYS, *OPTIONS]),
    "setup": ({"program": ELF}, [*PROGRAMS, ("params", ""), ("params", 128), ("name", LONG)]),
    "job": ({"job": JOB}, JOBS),
    "jobs": (
        {},
        [
            *[("limit", value) for value in (-1, 1.5, None, "10")],
            *[(name, value) for name in ("state", "kind", "program", "name") for value in (LONG, 5, None)],
            *[("mine", value) for value in (1, None)],
            *[("since", value) for value in (-1, math.nan, 1e11, "yesterday", None)],
        ],
    ),
    "retry": ({"job": JOB}, [*JOBS, ("wait_for_cluster", 1)]),
    "watch": ({"job": JOB}, [*JOBS, *[("after", value) for value in (-1, 2**63, 1.5, None)]]),
    "wait": ({"job": JOB}, [*JOBS, *SECONDS]),
    "result": ({"job": JOB}, [*JOBS, *SECONDS]),
    "execution": ({"job": JOB}, [*JOBS, *SECONDS]),
    "cancel": ({"job": JOB}, [*JOBS, ("reason", "x" * 4001), ("reason", "x" * 100_000), ("reason", None)]),
    "fetch": ({"blob": BlobRef("ab" * 32, 1)}, [("blob", value) for value in (NO_BLOB, TOO_BIG, None, "ab" * 32)]),  # type: ignore[arg-type]
    "remove_program": ({"program": "fibonacci"}, [("program", value) for value in (LONG, None, ELF)]),
    "add_program": ({"elf": ELF}, [*[("elf", value) for value in ("guest.elf", None, Path("x"))], ("name", LONG), ("name", None)]),
    "programs": ({}, []),
    "workers": ({}, []),
    "cluster": ({}, []),
    "stalls": ({}, [*SECONDS, ("seconds", math.inf), ("seconds", None)]),
    "set_log_level": ({"level": "info"}, [*[("level", value) for value in ("loud", None, 5)], ("worker", LONG), ("worker", None)]),
}
CASES: Final = [
    pytest.param(call, name, value, id=f"{call}-{name}-{repr(value)[:20]}") for call, (_, bad) in CALLS.items() for name, value in bad
]


def names(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def test_every_public_call_is_in_the_table() -> None:
    any_request = {"ask", "ask_parts", "ping"}  # what the other calls are made of; their fields are tried there
    assert set(CALLS) | any_request | {"run", "leave"} == names(Client)
    assert set(CALLS) | any_request | {"close"} == names(BlockingClient)
    for call, (good, bad) in CALLS.items():
        known = set(inspect.signature(getattr(Client, call)).parameters) - {"self", "options"}
        tried = {name for name, _ in bad}
        assert known <= tried, f"{call}: {known - tried} are not tried"
        assert set(good) <= known


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[Client, MemoryLink]]:
    """A client, and a coordinator that answers nothing."""
    near, far = memory_pair(Peer("me", "memory"), Peer("", "memory"), Limits())
    async with attach(near) as client:
        yield client, far


async def heard(link: MemoryLink) -> list[Any]:
    """What the client has said so far, beside its pings."""
    unpacker: Unpacker[Any] = Unpacker(ClientSays)
    found: list[Any] = []
    with trio.move_on_after(0.1):
        while True:
            found.append(unpacker.unpack(await link.receive()).message)
    return [message for message in found if not isinstance(message, Ping | Leave)]


async def call_it(client: Client, call: str, given: dict[str, Any]) -> None:
    if call == "watch":
        async for _ in client.watch(**given):
            pass
    else:
        await getattr(client, call)(**given)


@pytest.mark.parametrize(("call", "name", "value"), CASES)
async def test_a_wrong_argument_is_refused_by_name_and_nothing_is_sent(call: str, name: str, value: Any, autojump_clock: MockClock) -> None:
    async with silent() as (client, far):
        with trio.fail_after(5), pytest.raises(InvalidArgument) as caught:
            await call_it(client, call, {**CALLS[call][0], name: value})
        assert caught.value.argument == name
        assert caught.value.message.startswith(f"{name} is {repr(value)[:20]}")
        assert " has to be " in caught.value.message
        assert await heard(far) == []


class Loop:
    """Runs the calls of a blocking client on a client whose coordinator answers nothing, as its thread would."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def __call__(self, function: Callable[[Client], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            async with silent() as (client, far):
                try:
                    with trio.fail_after(5):
                        return await function(client)
                finally:
                    self.sent += await heard(far)

        return trio.run(main, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize(("call", "name", "value"), CASES)
def test_and_so_it_is_without_async(call: str, name: str, value: Any) -> None:
    client = object.__new__(BlockingClient)
    client._call = loop = Loop()  # type: ignore[method-assign]  # the thread is not what is tested here
    given = {**CALLS[call][0], name: value}
    with pytest.raises(InvalidArgument) as caught:
        list(client.watch(**given)) if call == "watch" else getattr(client, call)(**given)
    assert caught.value.argument == name
    assert loop.sent == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("url", value) for value in (None, 7000, "nowhere", "host:0", "host:65536", "ftp://host:7000")],
        *[("server_key", value) for value in ("", "short", None, "#" * 41, "#" * 40)],
        *[("keys", value) for value in (None, "key.key")],
        *[("seconds", value) for value in (-1, math.nan, None, "10")],
        ("notice", "print"),
    ],
)
def test_connecting_with_a_wrong_argument(name: str, value: Any) -> None:
    keys = new_keypair()
    given: dict[str, Any] = {"url": "127.0.0.1:1", "server_key": keys.public, "keys": keys, name: value}

    async def main() -> None:
        async with connect(**given):
            pass

    with pytest.raises(UsageError):
        trio.run(main)
    with pytest.raises(UsageError):
        BlockingClient(**given)


@pytest.mark.parametrize("part", ["text", None, 5, [b"list"]])
async def test_a_part_of_an_input_is_bytes(part: Any) -> None:
    status: Any = SimpleNamespace(job=JOB, state=State.WAITING_FOR_INPUT, received_bytes=0)
    into = OpenInput(SimpleNamespace(), status, SimpleNamespace())  # type: ignore[arg-type]  # neither is used
    with pytest.raises(InvalidArgument, match=r"content is .* has to be bytes"):
        await into.write(part)
    with pytest.raises(InvalidArgument, match="reason is 5"):
        await into.abort(5)  # type: ignore[arg-type]
    assert into.received == 0


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("priority", 101, "priority is 101, and has to be a whole number from -100 to 100"),
        ("deadline", 0, "deadline is 0, and has to be a number above 0 to 1000000000, or None"),
        ("units", -1, "units is -1, and has to be a whole number from 0 to 1000000000"),
        ("queue", 1, "queue is 1, and has to be True or False"),
        ("name", LONG, f"name is '{LONG[:59]}... (str), and has to be text of at most 200 characters"),
    ],
)
async def test_the_words_have_argument_value_and_bounds(argument: str, value: Any, words: str, autojump_clock: MockClock) -> None:
    async with silent() as (client, _):
        with pytest.raises(InvalidArgument) as caught:
            await client.submit(Kind.PROVE, ELF, **{argument: value})
        assert caught.value.message == words
        assert (caught.value.code, caught.value.exit_code) == ("invalid-argument", 2)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_everything_like_bytes_is_bytes(kind: Callable[[bytes], Any]) -> None:
    assert arguments.program_of(kind(ELF)) == ELF
    assert arguments.input_of(kind(b"input")) == b"input"
