"""The command behind scripts/simulate: `SEED` replays one with all that happens in it, `--seeds A:B --jobs N` names those that fail."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.run import Outcome, simulate


def line(outcome: Outcome) -> str:
    states = " ".join(f"{count} {state}" for state, count in sorted(outcome.ended.items()))
    return (
        f"seed {outcome.seed}: {len(outcome.breaks)} breaks; {states}; {outcome.epochs} starts of the coordinator, "
        f"{outcome.virtual_seconds:.0f} virtual s, {outcome.cpu_seconds:.2f} CPU s, {outcome.lines} lines, trace {outcome.digest[:16]}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulate", description="Simulated clusters, each from a seed.")
    parser.add_argument("seed", nargs="?", help="replay this one, with its trace")
    parser.add_argument("--seeds", default="", help="A:B runs all seeds from A to B-1")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--quiet", action="store_true", help="no trace")
    options = parser.parse_args()
    if options.seed is not None:
        outcome = simulate(int(options.seed) if options.seed.isdigit() else options.seed, say=None if options.quiet else print)
        print(line(outcome))
        for each in outcome.breaks:
            print(f"BROKEN: {each}")
        return 1 if outcome.breaks else 0
    first, _, last = options.seeds.partition(":")
    if not (first.isdigit() and last.isdigit()):
        parser.error("give a seed, or --seeds A:B")
    seeds = range(int(first), int(last))
    began, cpu, failed, states = time.monotonic(), 0.0, [], dict[str, int]()
    with ProcessPoolExecutor(options.jobs) as pool:
        for outcome in pool.map(simulate, seeds, chunksize=5):
            cpu += outcome.cpu_seconds
            for state, count in outcome.ended.items():
                states[state] = states.get(state, 0) + count
            if outcome.breaks:
                failed.append(outcome.seed)
                print(line(outcome), "\n  ", outcome.breaks[0][:1500], flush=True)
    print(
        f"{len(seeds)} seeds, {len(failed)} broke a law: {failed[:50]}; {states}; {cpu:.0f} CPU s, {cpu / max(1, len(seeds)):.3f} each; "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
