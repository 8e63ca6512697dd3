"""Who may connect: CURVE keys in files, the allow-list, and the ZAP task that asks it.

Rules of this file:
* A secret key lives in a file of mode 0600; a file that others can read is refused, not repaired.
* A key is allowed for a role, and each port serves one role: the ZAP domain of a socket is the role that it serves.
* Who is not on the list gets nothing, not even an answer. No handler means nobody gets in (ZAP_ENFORCE_DOMAIN).
* Secrets never appear in messages, logs or `repr`.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import tomli
import trio
import zmq
from zmq.utils import z85

from zisk_actors.errors import NotFoundError, UsageError
from zisk_actors.transport.zmq import Socket

ROLES: Final = ("client", "worker")
OTHER_PORT: Final = 500
"""The status (RFC 27 knows 200, 300, 400 and 500) by which a key learns that it is allowed, and at the other port."""

Allowed = Callable[[str, str], str | None]
"""The name of a key in a role, or None."""

Refused = Callable[[str, str, str, str], None]
"""Told of each refusal: role, address, key, reason."""

_Z85: Final = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


class KeyFileError(UsageError):
    """A key file that is not one, or that others can read."""

    code = "key-file"


@dataclass(frozen=True)
class KeyPair:
    """A CURVE key pair, both halves in Z85 (40 characters)."""

    public: str
    secret: str = field(repr=False)


def new_keypair() -> KeyPair:
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode("ascii"), secret.decode("ascii"))


def check_public_key(text: str, where: str) -> str:
    """The key, if it is one. Raises `KeyFileError` that names `where` it came from."""
    if _Z85.fullmatch(text) is None:
        raise KeyFileError(f"{where}: a public key is 40 characters of Z85, not {text[:60]!r}")
    return text


def write_keypair(path: Path, keys: KeyPair) -> None:
    """Write a key file that only its owner can read. Raises `KeyFileError` where the file exists."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError(f"{path} exists already", hint="a key is never overwritten; remove it first if nobody needs it") from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f'# CurveZMQ key pair. Whoever has the secret half is you.\npublic = "{keys.public}"\nsecret = "{keys.secret}"\n')


def read_keypair(path: Path) -> KeyPair:
    """Read a key file. Raises `NotFoundError` and `KeyFileError`."""
    try:
        mode = path.stat().st_mode
        content = path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise NotFoundError(f"there is no key file {path}", hint="`zisk up` makes the keys of a local cluster") from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"cannot read the key file {path}: {error}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileError(
            f"the key file {path} can be read by others (mode {stat.S_IMODE(mode):04o})", hint=f"chmod 600 {path}, and change the key"
        )
    try:
        table = tomli.loads(content)
        public, secret = str(table["public"]), str(table["secret"])
    except (tomli.TOMLDecodeError, KeyError):
        raise KeyFileError(f"{path} is not a key file: it needs the lines public = and secret =") from None
    check_public_key(public, str(path))
    if _Z85.fullmatch(secret) is None or zmq.curve_public(secret.encode("ascii")).decode("ascii") != public:
        raise KeyFileError(f"{path}: the two halves of the key do not belong together")
    return KeyPair(public, secret)


class AllowList:
    """The keys that may connect, from a file with a line `role key name` for each; read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at: tuple[int, int] | None = None
        self._names: dict[tuple[str, str], str] = {}

    def name_of(self, role: str, key: str) -> str | None:
        """The name that the list has for a key in a role, or None where it may not connect."""
        with contextlib.suppress(OSError):  # the list as it was read last stays in force
            status = self._path.stat()
            if (status.st_mtime_ns, status.st_size) != self._read_at:
                self._names = parse_allow_list(self._path.read_text(encoding="utf-8", errors="replace"), str(self._path))
                self._read_at = (status.st_mtime_ns, status.st_size)
        return self._names.get((role, key))

    def add(self, role: str, key: str, name: str) -> None:
        """Allow one more key; takes effect at once."""
        check_public_key(key, "allow-list")
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "a", encoding="ascii") as file:
            file.write(f"{role} {key} {name}\n")


def parse_allow_list(content: str, where: str) -> dict[tuple[str, str], str]:
    """Lines `role key name`, '#' begins a comment line. Raises `KeyFileError` that names the line."""
    names: dict[tuple[str, str], str] = {}
    for number, line in enumerate(content.splitlines(), 1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if len(words) != 3 or words[0] not in ROLES:
            raise KeyFileError(f"{where}:{number}: a line of the allow-list is ROLE KEY NAME, ROLE one of {', '.join(ROLES)}")
        names[words[0], check_public_key(words[1], f"{where}:{number}")] = words[2]
    return names


async def serve_zap(
    context: zmq.Context[Any],
    allowed: Allowed,
    refused: Refused,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer libzmq's questions (RFC 27) until cancelled."""
    socket = Socket(context, zmq.REP)
    try:
        socket.raw.bind("inproc://zeromq.zap.01")
        task_status.started()
        while True:
            frames = [frame.bytes for frame in await socket.recv()]
            await socket.send(_answer(frames, allowed, refused))
    finally:
        socket.close()


def _answer(frames: list[bytes], allowed: Allowed, refused: Refused) -> list[bytes]:
    version, sequence, domain, address = (frames + [b""] * 4)[:4]
    role = domain.decode("ascii", "replace")
    if version != b"1.0" or len(frames) != 7 or frames[5] != b"CURVE" or len(frames[6]) != 32:
        refused(role, address.decode("ascii", "replace"), "", "not-curve")
        return [b"1.0", sequence, b"400", b"CURVE only", b"", b""]
    key = z85.encode(frames[6]).decode("ascii")
    try:
        name = allowed(role, key)
        elsewhere = name is None and any(allowed(other, key) is not None for other in ROLES)
    except KeyFileError:
        name, elsewhere = None, False
    if name is None:
        refused(role, address.decode("ascii", "replace"), key, "wrong-port" if elsewhere else "key-not-allowed")
        return [b"1.0", sequence, str(OTHER_PORT).encode() if elsewhere else b"400", b"key not allowed", b"", b""]
    return [b"1.0", sequence, b"200", b"OK", key.encode("ascii"), b""]
