"""Who may connect: CURVE keys in files, and the ZAP task that asks the allow-list about them.

Rules of this file:
* A secret key lives in a file of mode 0600; a file that others can read is refused, not repaired.
* The ZAP domain of a socket is the name of its port in `allowlist.PORTS`.
* Who is not on the list gets nothing, not even an answer. No handler means nobody gets in (ZAP_ENFORCE_DOMAIN).
* Secrets never appear in messages, logs or `repr`.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import trio
import zmq
from zmq.utils import z85

from zisk_actors.errors import NotFoundError
from zisk_actors.toml_files import document
from zisk_actors.transport.allowlist import PORTS, KeyFileError, check_public_key, is_key
from zisk_actors.transport.zmq import Socket

OTHER_PORT: Final = 500
"""The status (RFC 27 knows 200, 300, 400 and 500) by which a key learns that it is allowed, and at the other port."""

Allowed = Callable[[str, str], str | None]
"""The role in which a key may connect to a port, or None."""

HoldsOff = Callable[[str, str], str]
"""Why a key that is allowed at a port may not come in now, or empty."""

OnRefused = Callable[[str, str, str, str], None]
"""Told of each refusal: port, address, key, reason."""


@dataclass(frozen=True)
class KeyPair:
    """A CURVE key pair, both halves in Z85 (40 characters)."""

    public: str
    secret: str = field(repr=False)


def new_keypair() -> KeyPair:
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode("ascii"), secret.decode("ascii"))


def write_keypair(path: Path, keys: KeyPair) -> None:
    """Write a key file that only its owner can read. Raises `KeyFileError` where the file exists, or cannot be written: then there is
    none."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError(f"{path} exists already", hint="a key is never overwritten; remove it first if nobody needs it") from None
    except OSError as error:
        raise KeyFileError(f"cannot write the key file {path}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            halves = {"public": keys.public, "secret": keys.secret}
            file.write(document(halves, "CurveZMQ key pair. Whoever has the secret half is you."))
    except OSError as error:
        path.unlink(missing_ok=True)
        raise KeyFileError(f"cannot write the key file {path}: {error.strerror}") from None


def read_keypair(path: Path) -> KeyPair:
    """Read a key file. Raises `NotFoundError` and `KeyFileError`."""
    try:
        mode = path.stat().st_mode
        content = path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise NotFoundError(
            f"there is no key file {path}", hint="`zisk key new FILE --role ROLE` makes one, `zisk up` those of a local cluster"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"cannot read the key file {path}: {error}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileError(
            f"the key file {path} can be read by others (mode {stat.S_IMODE(mode):04o})", hint=f"chmod 600 {path}, and change the key"
        )
    try:
        table = tomllib.loads(content)
        public, secret = str(table["public"]), str(table["secret"])
    except (tomllib.TOMLDecodeError, KeyError):
        raise KeyFileError(f"{path} is not a key file: it needs the lines public = and secret =") from None
    check_public_key(public, str(path))
    if not is_key(secret) or zmq.curve_public(secret.encode("ascii")).decode("ascii") != public:
        raise KeyFileError(f"{path}: the two halves of the key do not belong together")
    return KeyPair(public, secret)


async def serve_zap(
    context: zmq.Context[Any],
    allowed: Allowed,
    holds_off: HoldsOff,
    refused: OnRefused,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer libzmq's questions (RFC 27) until cancelled."""
    socket = Socket(context, zmq.REP)
    try:
        socket.raw.bind("inproc://zeromq.zap.01")
        task_status.started()
        while True:
            frames = [frame.bytes for frame in await socket.recv()]
            await socket.send(_answer(frames, allowed, holds_off, refused))
    finally:
        socket.close()


def _answer(frames: list[bytes], allowed: Allowed, holds_off: HoldsOff, refused: OnRefused) -> list[bytes]:
    version, sequence, domain, address = (frames + [b""] * 4)[:4]
    port = domain.decode("ascii", "replace")
    if version != b"1.0" or len(frames) != 7 or frames[5] != b"CURVE" or len(frames[6]) != 32:
        refused(port, address.decode("ascii", "replace"), "", "not-curve")
        return [b"1.0", sequence, b"400", b"CURVE only", b"", b""]
    key = z85.encode(frames[6]).decode("ascii")
    if allowed(port, key) is not None:
        if reason := holds_off(port, key):
            refused(port, address.decode("ascii", "replace"), key, reason)
            return [b"1.0", sequence, b"400", reason.encode("ascii"), b"", b""]
        return [b"1.0", sequence, b"200", b"OK", key.encode("ascii"), b""]
    elsewhere = any(allowed(other, key) is not None for other in PORTS if other != port)
    refused(port, address.decode("ascii", "replace"), key, "wrong-port" if elsewhere else "key-not-allowed")
    return [b"1.0", sequence, str(OTHER_PORT).encode() if elsewhere else b"400", b"key not allowed", b"", b""]
