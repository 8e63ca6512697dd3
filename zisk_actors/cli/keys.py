"""`zisk key`: key pairs, by which the machines of a cluster know each other.

Rules of this file:
* The secret half goes into a file that only its owner can read, and nowhere else; a file is never overwritten.
* A folder that is not there is made for it, for its owner only.
* What goes to stdout is the one line that the other side needs, ready to be appended to its file.
"""

from __future__ import annotations

import re
from pathlib import Path

import click

from zisk_actors.cli.output import Command, echo, json_option, print_json, say
from zisk_actors.cli.verbs import verb
from zisk_actors.errors import UsageError

COORDINATOR = "coordinator"
ROLES = ("worker", "client", "operator", COORDINATOR)
NAME = r"[^\s#]\S{0,99}"


@verb(110)
@click.group()
def key() -> None:
    """Make key pairs, and show what others need to know of them."""


def _arguments(command: Command) -> Command:
    """Adds FILE, `--role`, `--name` and `--json`."""
    command = json_option(command)
    command = click.option("--name", help="What the allow-list calls it; the file's name without its ending unless said.")(command)
    command = click.option("--role", type=click.Choice(ROLES), required=True, help="What the key is for.")(command)
    return click.argument("file", metavar="FILE")(command)


@key.command("new")
@_arguments
def new(file: str, role: str, name: str | None, as_json: bool) -> None:
    """Make a key pair in FILE, and print the line that the other side needs.

    Of a worker, a client or an operator that is its line in the coordinator's allow-list; of a coordinator the line `server_key` in the
    settings of its workers.

    \b
    zisk key new w1.key --role worker --name w1
    """
    from zisk_actors.transport.auth import new_keypair, write_keypair

    path = Path(file)
    called = _name(path.stem if name is None else name)
    keys = new_keypair()
    _make_folder(path.parent)
    write_keypair(path, keys)
    _tell(path, keys.public, role, called, as_json=as_json)
    if not as_json:
        where = "[security] of each worker's settings, and ZISK_SERVER_KEY of a client" if role == COORDINATOR else _ALLOW
        say(f"made {path}; the line above belongs into {where}")


@key.command("show")
@_arguments
def show(file: str, role: str, name: str | None, as_json: bool) -> None:
    """Print that line for a key pair that is there."""
    from zisk_actors.transport.auth import read_keypair

    path = Path(file)
    called = _name(path.stem if name is None else name)
    _tell(path, read_keypair(path).public, role, called, as_json=as_json)


_ALLOW = "the coordinator's allow-list: security.allow_file, or the file `allowed` in its store.folder"


def _name(text: str) -> str:
    """The name, where a line of the allow-list can have it. Raises `UsageError`."""
    if not re.fullmatch(NAME, text) or not text.isprintable():
        raise UsageError(
            f"{text[:100]!r} is no name for a key", hint="--name is one word of up to 100 characters that does not begin with #"
        )
    return text


def _make_folder(folder: Path) -> None:
    """Raises `UsageError` where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}") from None


def _tell(path: Path, public: str, role: str, name: str, *, as_json: bool) -> None:
    from zisk_actors import toml_files

    line = toml_files.line("server_key", public) if role == COORDINATOR else f"{role} {public} {name}"
    if as_json:
        print_json("zisk.key/1", file=str(path), role=role, name=name, public=public, line=line)
    else:
        echo(line)
