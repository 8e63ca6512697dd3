"""The keys that may connect: a file with a line `ROLE KEY NAME` for each, read again when it changes.

Rules of this file:
* A key is allowed for a role, and each port serves certain roles: `PORTS` says which.
* A key that is added is let in at once; one that is taken away is found by whoever watches `version`, and hung up on.
* A file that cannot be read, that others can write, or that has a bad line, changes nothing: the list as it was read last stays in force,
  and `problem` says why.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from pathlib import Path
from typing import Final

from zmq.utils import z85

from zisk_actors.errors import UsageError

ROLES: Final = ("client", "worker", "operator")
PORTS: Final[dict[str, tuple[str, ...]]] = {"client": ("operator", "client"), "worker": ("worker",)}
"""The roles that each port serves; of two roles that a key has at a port, the first counts."""

MAX_BYTES: Final = 4 * 1024**2
_Z85: Final = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


class KeyFileError(UsageError):
    """A key file or allow-list that is not one, or that others can read."""

    code = "key-file"


def is_key(text: str) -> bool:
    """Whether this is a key in Z85: 40 of its digits, every five of them a number below 2**32."""
    if _Z85.fullmatch(text) is None:
        return False
    try:
        z85.decode(text)
    except struct.error:
        return False
    return True


def check_public_key(text: str, where: str) -> str:
    """The key, if it is one. Raises `KeyFileError` that names `where` it came from."""
    if not is_key(text):
        raise KeyFileError(f"{where}: a public key is 40 characters of Z85, not {text[:60]!r}")
    return text


def parse_allow_list(content: str, where: str) -> dict[tuple[str, str], str]:
    """The names by role and key, from lines `role key name`; '#' begins a comment line. Raises `KeyFileError` that names the line."""
    names: dict[tuple[str, str], str] = {}
    for number, line in enumerate(content.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 3 or words[0] not in ROLES:
            raise KeyFileError(f"{where}:{number}: a line of the allow-list is ROLE KEY NAME, ROLE one of {', '.join(ROLES)}")
        names[words[0], check_public_key(words[1], f"{where}:{number}")] = words[2]
    return names


class AllowList:
    """The list in a file. `version` grows with every change that was taken; `problem` is what is wrong with the file, empty where nothing
    is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version = 0
        self.problem = ""
        self._seen: tuple[int, ...] | None = None
        self._names: dict[tuple[str, str], str] = {}

    def load(self) -> None:
        """Read the file for the first time; where there is none, nobody is allowed. Raises `KeyFileError` that names the bad line."""
        if self.path.exists():
            self.refresh()
            if self.problem:
                raise KeyFileError(self.problem, hint="correct that; a coordinator does not start with half a list")

    def refresh(self) -> None:
        """Read the file again if it has changed. Whatever is wrong with it is in `problem` afterwards, and nothing has changed."""
        try:
            status = self.path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino, status.st_ctime_ns)
            if seen == self._seen:
                return
            if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise KeyFileError(f"{self.path}: others can write the allow-list (mode {stat.S_IMODE(status.st_mode):04o}): chmod 600 it")
            if status.st_size > MAX_BYTES:
                raise KeyFileError(f"{self.path}: an allow-list has at most {MAX_BYTES} bytes")
            names = parse_allow_list(self.path.read_text(encoding="utf-8", errors="replace"), str(self.path))
        except FileNotFoundError:
            self.problem = f"{self.path}: the allow-list is gone" if self._seen is not None else ""
            return
        except OSError as error:
            self.problem = f"{self.path}: the allow-list cannot be read: {error.strerror}"
            return
        except KeyFileError as error:
            self.problem, self._seen = error.message, seen
            return
        self.problem, self._seen = "", seen
        if names != self._names:
            self._names = names
            self.version += 1

    def role_at(self, port: str, key: str) -> str | None:
        """The role in which a key may connect to a port, None where it may not."""
        self.refresh()
        return next((role for role in PORTS.get(port, ()) if (role, key) in self._names), None)

    def name_of(self, role: str, key: str) -> str | None:
        """The name that the list has for a key in a role, or None where it does not have that role."""
        return self._names.get((role, key))

    def count(self, port: str) -> int:
        """How many entries of the list are good for a port."""
        return sum(role in PORTS[port] for role, _ in self._names)

    def add(self, role: str, key: str, name: str) -> None:
        """Allow one more key; takes effect at once."""
        check_public_key(key, "allow-list")
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "a", encoding="utf-8") as file:
            file.write(f"{role} {key} {name}\n")
