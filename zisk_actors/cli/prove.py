"""`zisk prove` and `zisk execute`: running a program, with and without a proof.

Rules of this file:
* What can be refused before the work begins is refused before it begins.
* `execute` needs no cluster: without one it runs the program in this process.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from zisk_actors.cli.connection import connect, is_there_a_cluster, program_file, program_reference
from zisk_actors.cli.following import (
    Wishes,
    completed,
    execution_report,
    failure_of,
    fetch_result,
    follow,
    interruptible,
    print_proof,
    say_console,
    submit,
)
from zisk_actors.cli.output import (
    DEFAULT_LEVEL,
    check_writable,
    deadline_option,
    echo,
    guest_input,
    input_options,
    job_input,
    json_option,
    output_hex,
    output_lines,
    params_option,
    print_json,
    read_file,
    say,
    units_options,
    write_file,
)
from zisk_actors.cli.programs import warn_of_program
from zisk_actors.cli.verbs import verb
from zisk_actors.errors import UsageError

if TYPE_CHECKING:
    from zisk_actors.proving import Execution
    from zisk_actors.wire.values import ExecutionReport


@verb(10)
@click.command()
@click.argument("program_name", metavar="ELF-or-ID")
@input_options
@click.option("-o", "--output", "target", metavar="FILE", help="Where to write the proof; PROGRAM.proof unless said.")
@params_option
@deadline_option
@units_options
@click.option("--key", default="", metavar="KEY", help="A name for this request: said again with it, it is the same job, not another.")
@click.option("--priority", type=click.IntRange(-100, 100), default=0, show_default=True, help="Higher goes first.")
@click.option(
    "--wait-for-cluster", is_flag=True, help="Where the cluster is full, starting or going down, ask again, for up to ten minutes."
)
@click.option("--detach", is_flag=True, help="Submit, print the job's id, and leave.")
@json_option
def prove(
    program_name: str,
    raw: str | None,
    records: tuple[str, ...],
    target: str | None,
    level: str,
    deadline: float | None,
    min_units: int,
    units: int,
    no_wait: bool,
    key: str,
    priority: int,
    wait_for_cluster: bool,
    detach: bool,
    as_json: bool,
) -> None:
    """Prove a run of a program.

    Runs on the cluster that `zisk up` started, or on an embedded one that ends with this command. What is proved: the program, started
    with some input, halts with this exit code and this public output. The input itself is not part of it.
    """
    if target is not None and detach:
        raise UsageError("--detach leaves before there is a proof to write", hint="`zisk job watch ID -o FILE` writes it")
    if target is not None:
        check_writable(target, "proof")
    file = program_file(program_name)
    if file is not None and target is None and not detach:
        check_writable(f"{file.name}.proof", "proof")
    if file is not None:
        warn_of_program(file.content)
    stdin = guest_input(raw, records) if no_wait else job_input(raw, records)
    wishes = Wishes(key, priority, deadline, min_units, units, not no_wait, wait_for_cluster)
    began = time.monotonic()
    with connect(embedded=not detach) as session, interruptible(session):
        program = file or program_reference(session, program_name)
        path = target or f"{program.name}.proof"
        if not detach:
            check_writable(path, "proof")
        job = submit(session, "prove", program, stdin, level, as_json=as_json or detach, wishes=wishes)
        if detach:
            if as_json:
                print_json("zisk.submitted/1", job=job)
            else:
                echo(job)
            return
        status = completed(follow(session, job, quiet=as_json))
        proof = fetch_result(session, status)
    write_file(path, proof, "proof")
    print_proof(status, path, len(proof), time.monotonic() - began, as_json=as_json)


@verb(30)
@click.command()
@click.argument("program_name", metavar="ELF-or-ID")
@input_options
@json_option
def execute(program_name: str, raw: str | None, records: tuple[str, ...], as_json: bool) -> None:
    """Run a program without proving anything.

    Prints what it wrote to its console, its public output, its exit code, and the number of instructions.
    """
    if is_there_a_cluster():
        file = program_file(program_name)
        stdin = job_input(raw, records)
        with connect(embedded=False) as session, interruptible(session):
            program = file or program_reference(session, program_name)
            job = submit(session, "execute", program, stdin, DEFAULT_LEVEL, as_json=True)
            status = follow(session, job, quiet=True)
            report = execution_report(session.cluster.fetch(status.result)) if status.result else None
        if status.state.value != "completed" or report is None:
            if report is not None:
                say_console(report.console)
            raise failure_of(status)
        print_execution(report, as_json=as_json)
        completed(status)
        return
    from zisk_actors.proving import Prover

    run = Prover().execute(read_file(program_name, "program"), guest_input(raw, records))
    if run.trap is not None:
        say_console(run.console)
        raise run.trap.error()
    print_execution(run, as_json=as_json)


def print_execution(report: ExecutionReport | Execution, *, as_json: bool) -> None:
    """What a run did that halted."""
    if as_json:
        print_json(
            "zisk.execute/1",
            steps=report.steps,
            exit_code=report.exit_code,
            output=output_hex(report.output),
            console=report.console.decode(errors="replace"),
        )
        return
    say_console(report.console)
    for line in output_lines(report.output):
        echo(line)
    say(f"{report.steps} steps, exit code {report.exit_code}")
