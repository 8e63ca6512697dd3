"""How a command gets at a cluster: the one that is named or was started by `zisk up`, or one of its own.

Rules of this file:
* The commands ask a cluster by the blocking client's calls alone; their tests give them something else that has the same (tests/unit/cli/).
* An embedded cluster is said to be one, and ends with the command, whatever way the command ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zisk_actors.cli.output import read_file, say
from zisk_actors.errors import NotFoundError, Unreachable, UsageError

if TYPE_CHECKING:
    from zisk_actors.client.blocking import BlockingClient
    from zisk_actors.transport.auth import KeyPair
    from zisk_actors.wire.values import BlobRef

ENVIRONMENT = ("ZISK_URL", "ZISK_SERVER_KEY", "ZISK_KEY_FILE")
EMBEDDED_WORKERS = 2


@dataclass
class Session:
    """A cluster that a command is connected to. `embedded`: it lives and dies with the command. `job`: the one that we wait for."""

    cluster: BlockingClient
    embedded: bool
    job: str = ""


@dataclass(frozen=True)
class ProgramReference:
    """A program as a command line names it: a file, or something that the cluster knows."""

    name: str
    content: bytes | BlobRef


def program_file(words: str) -> ProgramReference | None:
    """The ELF file of that name; None where it may be the name or id of a program that a cluster has, and there is a cluster to ask.

    Raises NotFoundError where there is no such file and nobody to ask, or it can only be meant as a file.
    """
    if Path(words).exists() or "/" in words or words.endswith(".elf"):
        return ProgramReference(Path(words).stem, read_file(words, "program"))
    if not is_there_a_cluster():
        raise NotFoundError(
            f"there is no file {words}", hint="name an ELF file; no cluster is running that could know a program of that name"
        )
    return None


def program_reference(session: Session, words: str) -> ProgramReference:
    """The ELF file of that name, or the cluster's program of that name or (the beginning of an) id.

    Raises NotFoundError where it is none of them, or several.
    """
    if Path(words).exists() or "/" in words or words.endswith(".elf"):
        return ProgramReference(Path(words).stem, read_file(words, "program"))
    known = [] if session.embedded else session.cluster.programs()
    found = [p for p in known if p.name == words] or [p for p in known if len(words) >= 4 and p.program.startswith(words)]
    if len(found) > 1:
        raise NotFoundError(f"{words!r} names {len(found)} programs", hint="use more of the id: `zisk program list`")
    if not found:
        where = "" if session.embedded else ", and the cluster knows no program of that name or id"
        raise NotFoundError(f"there is no file {words}{where}", hint="name an ELF file, or see `zisk program list`")
    from zisk_actors.ids import BlobId
    from zisk_actors.wire.values import BlobRef

    return ProgramReference(found[0].name or found[0].program[:12], BlobRef(BlobId(found[0].program), found[0].size))


@contextmanager
def connect(*, embedded: bool) -> Iterator[Session]:
    """A cluster to talk to while entered. `embedded` allows one of the command's own where none runs.

    Raises Unreachable where there is none, or it does not answer; UsageError for an environment that names one by half.
    """
    from zisk_actors.client import local
    from zisk_actors.client.blocking import BlockingClient

    address = named_in(os.environ)
    running = None if address else local.find()
    if address is not None:
        with BlockingClient(address.url, address.server_key, read_keys(address.key_file), notice=say) as client:
            yield Session(client, embedded=False)
    elif running is not None:
        if not running.alive:
            raise Unreachable("the coordinator of the local cluster is gone", hint="`zisk down` clears up, `zisk up` starts it again")
        with running.connect(notice=say) as client:
            yield Session(client, embedded=False)
    elif embedded:
        say("no cluster is running: starting an embedded one, which ends with this command")
        with local.embedded(workers=min(EMBEDDED_WORKERS, os.cpu_count() or 1)) as started, started.connect() as client:
            yield Session(client, embedded=True)
    else:
        raise Unreachable("no cluster is running", hint="`zisk up --detach` starts one on this machine")


def is_there_a_cluster() -> bool:
    """Whether `connect` would find one without embedding it."""
    from zisk_actors.client import local

    return named_in(os.environ) is not None or local.find() is not None


@dataclass(frozen=True)
class Address:
    """A cluster elsewhere: where it is, its public key, and the file of the key pair that it knows us by."""

    url: str
    server_key: str
    key_file: str


def named_in(environment: Mapping[str, str]) -> Address | None:
    """The cluster that the environment names (ZISK_URL, ZISK_SERVER_KEY, ZISK_KEY_FILE), None where it names none."""
    values = [environment.get(name, "") for name in ENVIRONMENT]
    if not any(values):
        return None
    missing = [name for name, value in zip(ENVIRONMENT, values, strict=True) if not value]
    if missing:
        raise UsageError(f"{' and '.join(missing)} must be set as well", hint=f"a cluster is named by {', '.join(ENVIRONMENT)} together")
    return Address(*values)


def read_keys(path: str) -> KeyPair:
    """The key pair in a file."""
    from zisk_actors.transport.auth import read_keypair

    return read_keypair(Path(path))
