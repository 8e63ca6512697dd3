"""`zisk program`: the programs that a cluster knows, and their verifying keys."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from zisk_actors.cli.connection import connect, program_file, program_reference
from zisk_actors.cli.following import completed, follow, interruptible, submit
from zisk_actors.cli.output import check_writable, echo, json_option, params_option, print_json, read_file, say, size, table, write_file
from zisk_actors.cli.verbs import verb
from zisk_actors.errors import JobFailed

if TYPE_CHECKING:
    from zisk_actors.machine.elf import Segment

MOST_SHOWN: Final = 20  # of the instructions that are not run here


@verb(90)
@click.group()
def program() -> None:
    """Add programs to a cluster, make their verifying keys, list and remove them."""


@program.command("add")
@click.argument("elf", metavar="ELF")
@click.option("--name", help="What to call it; the file's name without its ending unless said.")
@json_option
def add(elf: str, name: str | None, as_json: bool) -> None:
    """Store a program, so that jobs can name it instead of sending it."""
    content = read_file(elf, "program")
    warn_of_program(content)
    with connect(embedded=False) as session:
        added = session.cluster.add_program(content, name=name or Path(elf).stem)
    if as_json:
        print_json("zisk.program/1", program=added.program, name=added.name, size=added.size)
        return
    echo(f"{added.program}  {added.name}  {size(added.size)}")


@program.command("setup")
@click.argument("program_name", metavar="ELF-or-ID")
@click.option("-o", "--output", "target", metavar="FILE", help="Where to write the verifying key; PROGRAM.vk unless said.")
@params_option
@json_option
def setup(program_name: str, target: str | None, level: str, as_json: bool) -> None:
    """Make a program's verifying key under a parameter set, and write it to a file for `zisk verify --vk`."""
    if target is not None:
        check_writable(target, "verifying key")
    file = program_file(program_name)
    if file is not None:
        warn_of_program(file.content)
    with connect(embedded=True) as session, interruptible(session):
        reference = file or program_reference(session, program_name)
        path = target or f"{reference.name}.vk"
        check_writable(path, "verifying key")
        status = completed(follow(session, submit(session, "setup", reference, b"", level, as_json=as_json), quiet=as_json))
        made = status.key or status.result
        if made is None:
            raise JobFailed(f"job {status.job} completed without a key")
        key = session.cluster.fetch(made)
    write_file(path, key, "verifying key")
    if as_json:
        print_json("zisk.setup/1", program=status.program, name=reference.name, params=level, key=path, key_bytes=len(key))
        return
    if path != "-":
        echo(path)
    say(f"verifying key of {reference.name} under parameters {level}: {size(len(key))}")


@program.command("list")
@json_option
def list_programs(as_json: bool) -> None:
    """List the programs that the cluster keeps for you; for an operator, all."""
    with connect(embedded=False) as session:
        programs = session.cluster.programs()
    if as_json:
        rows = [{"program": p.program, "name": p.name, "size": p.size, "added_at": p.added_at, "keys": sorted(p.keys)} for p in programs]
        print_json("zisk.programs/1", programs=rows)
        return
    table(
        ("PROGRAM", "NAME", "SIZE", "ADDED", "KEYS"),
        [
            (p.program[:12], p.name, size(p.size), f"{datetime.fromtimestamp(p.added_at):%Y-%m-%d %H:%M}", " ".join(sorted(p.keys)) or "-")
            for p in programs
        ],
    )


@program.command("rm")
@click.argument("program_name", metavar="PROGRAM")
@json_option
def remove(program_name: str, as_json: bool) -> None:
    """Have a program kept no longer: its id, the beginning of that, or the name it was given."""
    with connect(embedded=False) as session:
        gone = session.cluster.remove_program(program_name)
    if as_json:
        print_json("zisk.program/1", program=gone.program, name=gone.name, size=gone.size)
        return
    echo(f"{gone.program}  {gone.name}  is kept no longer")


@program.command("show")
@click.argument("elf", metavar="ELF")
@json_option
def show(elf: str, as_json: bool) -> None:
    """Show what an ELF file is made of, without running it.

    Its memory map, its instructions by extension and by the table that proves them, and those that this machine does not run. Nothing is
    sent anywhere.
    """
    from zisk_actors.machine.survey import survey

    found = survey(read_file(elf, "program"))
    if as_json:
        print_json(
            "zisk.program-survey/1",
            entry=found.entry,
            symbol=found.symbol,
            segments=[
                {"start": s.address, "end": s.end, "bytes": len(s.data), "executable": s.executable, "writable": s.writable and s.in_ram}
                for s in found.segments
            ],
            rows=found.rows,
            image_words=found.image_words,
            compressed=found.compressed,
            extensions=found.extensions,
            chips=found.chips,
            unsupported=[{"address": each.address, "symbol": each.symbol, "instruction": each.name} for each in found.unsupported],
            warnings=found.warnings(),
        )
        return
    echo(f"entry {found.entry:#x}" + (f" ({found.symbol})" if found.symbol else ""))
    table(
        ("SEGMENT", "END", "SIZE", "IN THE FILE", "MAY"),
        [(f"{s.address:#x}", f"{s.end:#x}", size(s.size), size(len(s.data)), _rights(s)) for s in found.segments],
    )
    echo(f"{found.rows} rows of code, {found.image_words} words of memory are loaded")
    echo("instructions: " + (", ".join(f"{count} {extension}" for extension, count in found.extensions.items()) or "none"))
    echo("tables: " + (", ".join(f"{chip} {count}" for chip, count in found.chips.items()) or "none"))
    for each in found.unsupported[:MOST_SHOWN]:
        echo(f"not run here: {each}")
    if len(found.unsupported) > MOST_SHOWN:
        echo(f"not run here: {len(found.unsupported) - MOST_SHOWN} more, which --json lists")
    for warning in found.warnings():
        say(f"warning: {warning}")


def _rights(segment: Segment) -> str:
    """What a program may do there."""
    return "read, write" if segment.in_ram else "read, execute" if segment.executable else "read"


def warn_of_program(content: object) -> None:
    """Say what of an ELF file will end a run that comes to it. What is no ELF file, or not here, is for others to look at."""
    from zisk_actors.machine.elf import ElfError
    from zisk_actors.machine.survey import survey

    if not isinstance(content, bytes):
        return
    try:
        found = survey(content).warnings()
    except ElfError:
        return
    for warning in found:
        say(f"warning: {warning}")
