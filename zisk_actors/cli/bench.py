"""`zisk bench`: how fast this machine proves. One process, no cluster: the figures are those of the prover itself.

Rules of this file:
* Each figure is measured around the call that a worker makes; setup is reported beside the run, because it is done once per program.
* The proof that was timed is verified; a figure of a wrong proof is never printed.
* `--kernels` measures the parts that a proof is made of, on processor time, beside what the machine can (backends/bench.py).
"""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypeVar

import click

from zisk_actors import __version__
from zisk_actors.backends import DEFAULT, PROVING
from zisk_actors.bench.earlier import Figures, differences, ratios, read_earlier
from zisk_actors.cli.output import (
    duration,
    guest_input,
    input_options,
    json_option,
    params_option,
    print_json,
    read_file,
    say,
    size,
    table,
)
from zisk_actors.cli.verbs import verb
from zisk_actors.errors import UsageError

if TYPE_CHECKING:
    from zisk_actors.proving import Prover

T = TypeVar("T")

PROOF_SCHEMA = "zisk.bench/1"
KERNELS_SCHEMA = "zisk.bench-kernels/1"
DEFAULT_GUEST = "tests/guests/cycles.elf"
PHASES = ("execute", "contribute", "prove", "aggregate")
"""The phases whose sum is the time of a run; setup and verify stand beside them."""


@dataclass(frozen=True)
class Measured:
    """The figures of one run: `seconds` by phase, `proving_seconds` their sum without setup and verify."""

    cycles: int
    seconds: dict[str, float]
    proving_seconds: float
    cycles_per_second: float
    peak_memory_bytes: int
    proof_bytes: int
    key_bytes: int
    exit_code: int
    bits: float


class Stopwatch:
    """Seconds by phase, and what is said while they run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, phase: str, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        result = work()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - began
        say(f"{phase:<10} {duration(self.seconds[phase])}")
        return result


def processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def peak_memory_bytes() -> int:
    """The most memory this process has held. Linux counts it in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@verb(130)
@click.command()
@click.argument("elf", metavar="[ELF]", required=False)
@input_options
@click.option("--cycles", type=click.IntRange(1, 1 << 40), help="Input of the benchmark guest: how many instructions to run.")
@click.option("--shares", type=click.IntRange(1, 64), default=1, show_default=True, help="Cut the run, and prove share after share.")
@click.option("--backend", type=click.Choice(PROVING), default=DEFAULT, show_default=True, help="What it computes with.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads of the prover; one per core unless said.")
@click.option("--kernels", is_flag=True, help="Measure the kernels, and what the machine can at most, in place of a proof.")
@click.option("--log-height", type=click.IntRange(8, 22), default=18, show_default=True, help="With --kernels: log2 of the matrices' rows.")
@click.option("--columns", type=click.IntRange(2, 256), default=24, show_default=True, help="With --kernels: of the matrices.")
@click.option("--compare", metavar="OLD.json", help="Print each figure's ratio to that of an earlier --json; above 1 is faster now.")
@params_option
@json_option
def bench(
    elf: str | None,
    raw: str | None,
    records: tuple[str, ...],
    cycles: int | None,
    shares: int,
    backend: str,
    threads: int | None,
    kernels: bool,
    log_height: int,
    columns: int,
    compare: str | None,
    level: str,
    as_json: bool,
) -> None:
    """Prove a run in this process and print what it took.

    Without ELF the benchmark guest of the source tree is run, for a million instructions unless --cycles says otherwise.
    """
    if kernels:
        if elf is not None or raw is not None or records or cycles is not None:
            raise UsageError("--kernels runs no program: it excludes an ELF and its input")
        measure_kernels(backend, log_height, columns, threads or 1, compare, as_json)
        return
    earlier = read_earlier(compare, PROOF_SCHEMA) if compare else None
    if elf is None:
        elf = DEFAULT_GUEST
        if not os.path.exists(elf):
            raise UsageError(f"there is no {elf} here", hint="run it in the source tree, or name an ELF")
        cycles = cycles or 1_000_000
    if cycles is not None and (raw is not None or records):
        raise UsageError("--cycles is an input of its own: it excludes -i and --record")
    stdin = guest_input(raw, records) if cycles is None else (8).to_bytes(8, "little") + cycles.to_bytes(8, "little")
    program = read_file(elf, "program")

    from zisk_actors.proving import Prover

    measured = measure([Prover(backend, threads) for _ in range(shares)], program, stdin, level)
    fields: dict[str, object] = {
        "version": __version__,
        "machine": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "backend": backend,
        "threads": threads,
        "guest": os.path.basename(elf),
        "params": level,
        "shares": shares,
    }
    found = asdict(measured)
    compared = {} if earlier is None else beside(earlier, fields | found)
    if as_json:
        print_json(PROOF_SCHEMA, **fields, **found, **({"ratios": compared} if earlier is not None else {}))
        return
    rows = [(name, f"{value:.3f} s") for name, value in measured.seconds.items()]
    rows += [
        ("cycles", str(measured.cycles)),
        ("speed", f"{measured.cycles_per_second / 1000:.1f} k cycles/s, without setup and verify"),
        ("memory", size(measured.peak_memory_bytes)),
        ("proof", size(measured.proof_bytes)),
        ("security", f"{measured.bits:.1f} proven bits"),
    ]
    if earlier is None:
        table(("WHAT", "FIGURE"), rows)
    else:
        table(("WHAT", "FIGURE", "RATIO"), [(*row, _ratio(compared, row[0])) for row in rows])


def beside(earlier: Figures, new: Figures) -> dict[str, float]:
    """The ratios, after a word of what was not measured alike."""
    for difference in differences(earlier, new):
        say(f"not measured alike: {difference}")
    return {name: round(ratio, 4) for name, ratio in ratios(earlier, new).items()}


def _ratio(compared: dict[str, float], name: str) -> str:
    return f"{compared[name]:.3f}" if name in compared else ""


def measure_kernels(backend: str, log_height: int, columns: int, threads: int, compare: str | None, as_json: bool) -> None:
    """Measures the kernels and prints them; UsageError for an earlier output that is none."""
    from zisk_actors.backends.bench import QUIET, figures
    from zisk_actors.native import load

    earlier = read_earlier(compare, KERNELS_SCHEMA) if compare else None
    found = []
    for figure in figures(backend, log_height, columns, threads):
        say(f"{figure.name:<30} {figure.rate / 1e6:9.2f} M {figure.unit}/s")
        found.append(figure)
    fields: dict[str, object] = {
        "version": __version__,
        "machine": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "backend": backend,
        "threads": threads,
        "instructions": load().zk_cpu_name(),
        "log_height": log_height,
        "columns": columns,
        "quiet": all(figure.quiet >= QUIET for figure in found),
        "figures": [asdict(figure) for figure in found],
    }
    compared = {} if earlier is None else beside(earlier, fields)
    if as_json:
        print_json(KERNELS_SCHEMA, **fields, **({"ratios": compared} if earlier is not None else {}))
        return
    rows = [
        (
            figure.name,
            f"{figure.rate / 1e6:.2f} M {figure.unit}/s",
            f"{figure.slowest / 1e6:.2f} to {figure.fastest / 1e6:.2f} of {figure.runs}",
            f"{figure.fraction:.2f} of {figure.ceiling}" if figure.ceiling else "",
            _ratio(compared, figure.name),
        )
        for figure in found
    ]
    table(("KERNEL", "PER CORE", "SLOWEST TO FASTEST", "OF ITS CEILING", "RATIO"), rows)
    if not fields["quiet"]:
        least = min(figure.quiet for figure in found)
        say(f"the machine was not quiet: of its time this process had a processor for {100 * least:.0f} % at least")


def measure(provers: list[Prover], program: bytes, stdin: bytes, level: str) -> Measured:
    """Proves a run, one prover a share, one after the other, and verifies it.

    Raises what proving raises; GuestTrapped for a run without a proof.
    """
    from zisk_actors.proving import verify

    watch = Stopwatch()
    weights = [1] * len(provers)
    key = watch.time("setup", lambda: [prover.setup(program, level) for prover in provers])[0]
    run = watch.time("execute", lambda: provers[0].execute(program, stdin))
    contributions = watch.time(
        "contribute", lambda: [prover.contribute(program, stdin, level, share, weights) for share, prover in enumerate(provers)]
    )
    partials = watch.time(
        "prove", lambda: [prover.prove(program, stdin, level, share, weights, contributions) for share, prover in enumerate(provers)]
    )
    proof = watch.time("aggregate", lambda: provers[0].aggregate(program, level, contributions, partials))
    peak = peak_memory_bytes()
    verified = watch.time("verify", lambda: verify(proof, vk=key, level=level))
    seconds = sum(watch.seconds[phase] for phase in PHASES)
    return Measured(
        cycles=run.steps,
        seconds={phase: round(value, 4) for phase, value in watch.seconds.items()},
        proving_seconds=round(seconds, 4),
        cycles_per_second=round(run.steps / seconds, 1),
        peak_memory_bytes=peak,
        proof_bytes=len(proof),
        key_bytes=len(key),
        exit_code=verified.exit_code,
        bits=round(verified.bits, 2),
    )
