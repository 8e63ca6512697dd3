"""`zisk chaos`: a cluster of its own, whose processes it kills at random while clients submit jobs. Does any job suffer?

Rules of this file:
* The seed is said first. Everything that is chance comes from it.
* It ends with 0 only if every job was accepted, ended once, and has the proof that it should have.
* When it ends, however it does, none of its processes is left; its folder is removed unless it was named or something broke.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zisk_actors.cli.output import json_option, print_json, read_file, say, table
from zisk_actors.cli.verbs import verb
from zisk_actors.errors import UsageError, ZiskError

if TYPE_CHECKING:
    from zisk_actors.bench.chaos import Outcome

DEFAULT_GUEST = "tests/guests/cycles.elf"
MOCK_GUEST = b"\x7fELF a program that nobody runs"


class Suffered(ZiskError):
    """A guarantee did not hold."""

    code = "chaos-broke"
    exit_code = 4


@verb(140)
@click.command()
@click.argument("elf", metavar="[ELF]", required=False)
@click.option("--jobs", type=click.IntRange(1, 1_000_000), default=10, show_default=True, help="How many jobs to submit.")
@click.option("--workers", type=click.IntRange(1, 100), default=3, show_default=True, help="How many workers.")
@click.option("--worker-kills", type=click.IntRange(0), default=0, help="Kills of workers; as many as there is time for unless said.")
@click.option("--worker-every", type=click.FloatRange(0.01), default=2.0, show_default=True, help="Seconds between kills, on average.")
@click.option("--at-once", type=click.IntRange(1), default=1, show_default=True, help="Workers that are killed at one time.")
@click.option("--coordinator-kills", type=click.IntRange(0), default=2, show_default=True, help="Kills of the coordinator.")
@click.option("--coordinator-every", type=click.FloatRange(0.01), default=4.0, show_default=True, help="Seconds between those.")
@click.option("--mock", is_flag=True, help="With the mock prover: many kills in little time, and proofs that are only compared.")
@click.option("--verb-seconds", type=click.FloatRange(0), default=0.02, show_default=True, help="With --mock: time of a share in a phase.")
@click.option("--settle", type=click.FloatRange(0), help="Seconds that a restarted coordinator waits for workers; its default unless said.")
@click.option("--cycles", type=click.IntRange(1, 1 << 24), default=3000, show_default=True, help="Length of the benchmark guest's runs.")
@click.option("--in-flight", type=click.IntRange(1, 1000), default=4, show_default=True, help="Jobs that are submitted and not ended.")
@click.option("--limit", type=click.FloatRange(1), default=1800.0, show_default=True, help="Give up after so many seconds.")
@click.option("--seed", type=int, help="What chance comes from; drawn and printed unless said.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where state and logs go, and stay; a temporary folder unless said.")
@json_option
def chaos(
    elf: str | None,
    jobs: int,
    workers: int,
    worker_kills: int,
    worker_every: float,
    at_once: int,
    coordinator_kills: int,
    coordinator_every: float,
    mock: bool,
    verb_seconds: float,
    settle: float | None,
    cycles: int,
    in_flight: int,
    limit: float,
    seed: int | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Kill the processes of a cluster of its own while it proves, and report what became of the jobs.

    Proves with the `test` parameters. Without ELF the benchmark guest of the source tree is proved, a different run for each job. An ELF
    that is named gets no input.
    """
    from zisk_actors.bench.chaos import Plan, run
    from zisk_actors.settings import CoordinatorCore

    seed = secrets.randbelow(1 << 32) if seed is None else seed
    if elf is None and not mock and not os.path.exists(DEFAULT_GUEST):
        raise UsageError(f"there is no {DEFAULT_GUEST} here", hint="run it in the source tree, name an ELF, or use --mock")
    program = MOCK_GUEST if mock and elf is None else read_file(elf or DEFAULT_GUEST, "program")
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", hint="chaos makes a cluster of its own; name a new folder")
    say(f"seed {seed}")

    def stdin(number: int) -> bytes:
        if mock:
            return f"job {number}".encode()
        return b"" if elf is not None else (8).to_bytes(8, "little") + (cycles + number).to_bytes(8, "little")

    plan = Plan(
        jobs=jobs,
        seed=seed,
        workers=workers,
        worker_kills=worker_kills,
        worker_every=worker_every,
        at_once=at_once,
        coordinator_kills=coordinator_kills,
        coordinator_every=coordinator_every,
        mock=mock,
        verb_seconds=verb_seconds,
        settle_seconds=settle if settle is not None else CoordinatorCore().restart_settle_seconds,
        in_flight=in_flight,
        limit_seconds=limit,
        elf=program,
        params="test",
        stdin=stdin,
    )
    place = folder or Path(tempfile.mkdtemp(prefix="zisk-chaos-"))
    keep = folder is not None
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        outcome = run(plan, place, say)
        keep = keep or bool(outcome.breaks)
    finally:
        if not keep:
            shutil.rmtree(place, ignore_errors=True)
    show(outcome, place if keep else None, as_json=as_json)
    if outcome.breaks:
        raise Suffered("; ".join(outcome.breaks), hint=f"journal and logs are in {place}; the seed is {seed}")


def show(outcome: Outcome, place: Path | None, *, as_json: bool) -> None:
    """The figures."""
    tally, disk, plan = outcome.tally, outcome.disk, outcome.plan
    fields: dict[str, object] = {
        "seed": plan.seed,
        "mock": plan.mock,
        "workers": plan.workers,
        "jobs": plan.jobs,
        "accepted": len(tally.accepted),
        "completed": outcome.completed,
        "failed": outcome.failed,
        "lost": outcome.lost,
        "ended_twice": len(disk.ended_twice),
        "matched" if plan.mock else "verified": outcome.verified,
        "worker_kills": tally.worker_kills,
        "coordinator_kills": tally.coordinator_kills,
        "killed_while_starting": tally.starting_kills,
        "resubmitted": tally.resubmitted,
        "outages": tally.outages,
        "shares_needed": disk.shares_needed,
        "shares_computed": disk.shares_computed,
        "shares_interrupted": disk.shares_interrupted,
        "shares_redone": disk.shares_redone,
        "redone_for_no_kill": len(disk.redone_unexcused),
        "seconds": round(outcome.seconds, 1),
    }
    if as_json:
        serving = outcome.serving
        restarts = {"count": serving.count, "p50": serving.p50, "p99": serving.p99, "longest": serving.longest} if serving else None
        print_json("zisk.chaos/1", **fields, restart_seconds=restarts, breaks=outcome.breaks, folder=str(place) if place else None)
        return
    rows = [(name.replace("_", " "), str(value)) for name, value in fields.items()]
    rows.append(("coordinator serving again", str(outcome.serving) if outcome.serving else "never killed"))
    table(("WHAT", "FIGURE"), rows)
    say("nothing was lost, and nothing ended twice" if not outcome.breaks else "BROKEN: " + "; ".join(outcome.breaks))
