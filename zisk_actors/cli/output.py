"""What every command has in common: where its words go, how values look, how files are read.

Rules of this file:
* Data goes to stdout, everything else to stderr. `--json` prints one object with a `schema` name; fields are only ever added to a schema.
* What others wrote (names, reasons, a guest's console) is printed by `echo`, `say` and `table` only.
* The public output is 64 words of 32 bits; as hex it is their 256 bytes in memory order (little-endian words).
* Nothing heavy is imported at the top: `zisk --help` has to be instant.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from zisk_actors.errors import NotFoundError, UsageError, ZiskError
from zisk_actors.printable import LAYOUT, printable

Command = TypeVar("Command", bound=Callable[..., Any])

LEVELS = ("test", "100", "128", "128-b4", "128-b8")
"""The names of the parameter sets; `zisk_actors.stark.params` says what each proves."""

DEFAULT_LEVEL = "128"

WORDS_PER_LINE = 8

BEGINNING = 13
"""Characters of a job's id where there is no room for all of it: commands take the beginning of one."""

PART_BYTES = 512 * 1024


class Interrupted(click.Abort):
    """Ctrl-C where what becomes of the work has been said already."""


def json_option(command: Command) -> Command:
    """Adds `--json` as the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")(command)


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print text for people. What is in it of others can do nothing to their terminal."""
    click.echo(printable(str(text), LAYOUT), err=err, nl=nl)


def print_json(schema: str, **fields: object) -> None:
    """One object on one line of stdout, its schema first."""
    click.echo(_json({"schema": schema, **fields}))


def _json(fields: dict[str, object]) -> str:
    """Letters as they are, but where something is among them that is not printed."""
    text = json.dumps(fields, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(fields)


def say(text: str) -> None:
    """A remark for the human: stderr."""
    echo(text, err=True)


def report(error: ZiskError, *, as_json: bool) -> None:
    """The one way an expected failure looks: a line with its code, the manual's name and number of it, and when to try again; and a line
    with the hint. Each as far as there is one."""
    seconds: float | None = getattr(error, "retry_after_seconds", None)
    name, number = getattr(error, "name", ""), getattr(error, "number", 0)
    if as_json:
        body: dict[str, object] = {"code": error.code, "message": error.message, "hint": error.hint, "exit_code": error.exit_code}
        if name:
            body |= {"name": name, "number": number}
        if seconds is not None:
            body["retry_after_seconds"] = seconds
        click.echo(_json({"schema": "zisk.error/1", "error": body}), err=True)
        return
    more = [f"{name} {number}"] if name else []
    more += [f"try again in {max(1, round(seconds))} s"] if seconds is not None else []
    echo(f"error[{error.code}]: {error.message}" + (f" ({'; '.join(more)})" if more else ""), err=True)
    if error.hint:
        echo(f"hint: {error.hint}", err=True)


def output_hex(words: Sequence[int]) -> str:
    """The public output's bytes in memory order, as hex."""
    return b"".join(int(word).to_bytes(4, "little") for word in words).hex()


class Verified(Protocol):
    """What a verifier says of a proof, wherever it ran: `zisk_actors.proving.Verified`, or the coordinator's report."""

    @property
    def program(self) -> str: ...
    @property
    def output(self) -> tuple[int, ...]: ...
    @property
    def exit_code(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def shares(self) -> int: ...
    @property
    def params(self) -> str: ...
    @property
    def bits(self) -> float: ...


def verified_fields(verified: Verified) -> dict[str, object]:
    """What a proof says, as the JSON of every command that reports one."""
    return {
        "program": verified.program,
        "output": output_hex(verified.output),
        "exit_code": verified.exit_code,
        "steps": verified.steps,
        "shares": verified.shares,
        "params": verified.params,
        "bits": round(verified.bits, 2),
    }


def output_lines(words: Sequence[int]) -> list[str]:
    """The public output for people: eight words a line, without the lines of zeros at the end; at least one line."""
    lines = [output_hex(words[start : start + WORDS_PER_LINE]) for start in range(0, len(words), WORDS_PER_LINE)]
    while len(lines) > 1 and not lines[-1].strip("0"):
        lines.pop()
    return lines


def duration(seconds: float) -> str:
    """`0.42 s`, `12 s`, `3:07`, `2:10:05`."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def size(count: float) -> str:
    """`512 B`, `3.4 KiB`, `12.0 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def refuse_address(name: str) -> None:
    """Refuses what looks like an address where a file is meant."""
    if "://" in name:
        from zisk_actors.client.arguments import refuse_address

        refuse_address(name)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows under headings on stdout, the first column being what other commands are given: tab-separated for a program that reads along.

    For a terminal it is drawn. One that is too narrow has the beginnings of jobs' ids, which name them as well, and where that is still too
    wide, a paragraph for each row.
    """
    lines = [[printable(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in (headings, *lines):
            echo("\t".join(row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if _narrowest(headings, lines) > console.width:
        lines = [[_beginning(row[0]), *row[1:]] for row in lines]
    if _narrowest(headings, lines) > console.width:
        widest = max(map(len, headings))
        for row in lines:
            echo("\n".join(f"{heading:{widest}}  {cell}".rstrip() for heading, cell in zip(headings, row, strict=True)) + "\n")
        return
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, heading in enumerate(headings):
        drawn.add_column(heading, no_wrap=index == 0)
    for row in lines:
        drawn.add_row(*map(Text, row))
    console.print(drawn)


def _narrowest(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """How wide a table is at least: its first column is not wrapped, the others between words only."""
    columns = list(zip(headings, *rows, strict=True))
    words = [max(len(word) for cell in column for word in (cell.split() or [""])) for column in columns[1:]]
    return max(map(len, columns[0])) + sum(words) + 3 * len(words) + 2


def _beginning(cell: str) -> str:
    """Enough of a job's id to name it; anything else as it is."""
    return cell[:BEGINNING] if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", cell) else cell


def read_file(path: str, what: str, *, limit: int = 1 << 31) -> bytes:
    """A file's bytes, or stdin's for `-`.

    Raises NotFoundError where there is none, UsageError where it cannot be read or has more than `limit` bytes.
    """
    if path == "-":
        content = sys.stdin.buffer.read(limit + 1)
    else:
        try:
            with Path(path).open("rb") as file:
                content = file.read(limit + 1)
        except FileNotFoundError:
            raise NotFoundError(f"no {what} at {path}") from None
        except OSError as error:
            raise UsageError(f"cannot read the {what} {path}: {os.strerror(error.errno or 0)}") from None
    if len(content) > limit:
        raise UsageError(f"the {what} {path} has more than {size(limit)}")
    return content


def write_file(path: str, content: bytes, what: str) -> None:
    """Writes all or nothing: beside the target first, then moved over it; `-` is stdout."""
    if path == "-":
        click.echo(content, nl=False)
        return
    target = Path(path)
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.exists() and not target.is_file():  # a device or a pipe is written to, not replaced
            target.write_bytes(content)
            return
        scratch.write_bytes(content)
        scratch.replace(target)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise UsageError(f"cannot write the {what} {path}: {os.strerror(error.errno or 0)}") from None


def check_writable(path: str, what: str) -> None:
    """Refuses a target that cannot be written, before minutes of work are spent on what goes there."""
    if path == "-":
        return
    target = Path(path)
    if target.is_dir():
        raise UsageError(f"cannot write the {what} to {path}: it is a folder")
    if not target.parent.is_dir():
        raise UsageError(f"cannot write the {what} to {path}: there is no folder {target.parent}")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise UsageError(f"cannot write the {what} to {path}: permission denied")


def standard_input() -> Iterator[bytes]:
    """What comes on stdin, in parts as they come."""
    stdin: Any = sys.stdin.buffer  # Any: that it has read1, its declared type does not say
    while part := stdin.read1(PART_BYTES):
        yield part


def job_input(raw: str | None, records: Sequence[str]) -> bytes | Iterator[bytes]:
    """As `guest_input`; what comes on stdin, in parts as they come."""
    return standard_input() if raw == "-" and not records else guest_input(raw, records)


def guest_input(raw: str | None, records: Sequence[str]) -> bytes:
    """The guest's input: a file as it is (`-i`), or files wrapped as records (`--record`), or nothing.

    A record is its length as u64, little-endian, its bytes, and zeros up to a multiple of 8.
    """
    if raw is not None and records:
        raise UsageError("-i and --record exclude each other", hint="-i is the whole input as the guest sees it")
    if sum(path == "-" for path in records) > 1:
        raise UsageError("stdin can be one record only")
    for name in (raw or "", *records):
        refuse_address(name)
    if raw is not None:
        return read_file(raw, "input", limit=(1 << 30) - 8)
    wrapped = bytearray()
    for path in records:
        content = read_file(path, "record", limit=(1 << 30) - 16)
        wrapped += len(content).to_bytes(8, "little") + content + bytes(-len(content) % 8)
    return bytes(wrapped)


def input_options(command: Command) -> Command:
    """Adds `-i FILE` and `--record FILE` as the parameters `raw` and `records`."""
    command = click.option(
        "--record", "records", metavar="FILE", multiple=True, help="Wrap FILE as one length-prefixed record of the input; repeatable."
    )(command)
    return click.option(
        "-i", "--input", "raw", metavar="FILE", help="The raw input as the guest sees it; - is stdin, sent while it comes."
    )(command)


def deadline_option(command: Command) -> Command:
    """`--deadline`: how long a job may take in all, in seconds for the command."""
    return click.option(
        "--deadline",
        metavar="TIME",
        callback=_span,
        help="Fail where it has not ended so long after it was accepted, waiting included: 90s, 10m, 2h, or seconds.",
    )(command)


def units_options(command: Command) -> Command:
    """`--min-units`, `--units` and `--no-wait`: with how many compute units a job starts, and whether it may wait for them."""
    amount = click.IntRange(min=0, max=10**9)
    command = click.option("--no-wait", is_flag=True, help="Be refused rather than wait in the queue.")(command)
    command = click.option("--units", type=amount, default=0, metavar="N", help="Have about N compute units, where they are free.")(command)
    return click.option("--min-units", type=amount, default=0, metavar="N", help="Start with N compute units or more.")(command)


def _span(context: click.Context, option: click.Parameter, text: str | None) -> float | None:
    return None if text is None else seconds_of(text, option.opts[0])


def seconds_of(text: str, option: str) -> float:
    """`90s`, `10m`, `2h` or plain seconds. Raises UsageError that names the option."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|)", text.strip())
    seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found is not None else 0.0
    if not 0 < seconds <= 1e9:
        raise UsageError(f"{option} takes a time above zero such as 90s, 10m or 2h, not {text!r}")
    return seconds


def params_option(command: Command) -> Command:
    """Adds `--params LEVEL` as the parameter `level`."""
    return click.option(
        "--params",
        "level",
        type=click.Choice(LEVELS),
        default=DEFAULT_LEVEL,
        show_default=True,
        help="Parameter set: proven bits of security; `test` is fast and insecure.",
    )(command)
