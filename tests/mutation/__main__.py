"""The command behind scripts/mutate: leaves out one thing at a time and demands that something notices."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.mutation.airs import PARTS, Part
from tests.mutation.code import all_attacked
from tests.mutation.lies import attack
from tests.mutation.source import mutants
from tests.mutation.survivors import CODE_SURVIVORS, SURVIVORS

Line = tuple[str, str, str]  # group, name, what noticed it


def _attacked(number: int) -> Line:
    """Of a part by its number: buses are told apart by identity, which a copy for another process would lose."""
    part = PARTS[number]
    return part.chip, str(part), attack(part).how


def chips(wanted: Iterable[Part], jobs: int) -> Iterator[Line]:
    """Parts of chips."""
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_attacked, [PARTS.index(part) for part in wanted])


def main() -> int:
    parser = argparse.ArgumentParser(prog="mutate", description="Leaves out one constraint, bus term, message, check or rule at a time.")
    parser.add_argument("pattern", nargs="*", help="only those whose name has one of these in it; all without")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args()

    def asked(name: object) -> bool:
        return not options.pattern or any(pattern in str(name) for pattern in options.pattern)

    known = SURVIVORS | CODE_SURVIVORS
    names = {str(part) for part in PARTS} | {str(mutant) for mutant in mutants()}
    wrong = [f"listed as a survivor, but there is no such thing: {name}" for name in sorted(set(known) - names)]
    total, killed = Counter[str](), Counter[str]()
    lines = chips([part for part in PARTS if asked(part)], options.jobs)
    code = (
        (outcome.mutant.path.removeprefix("zisk_actors/"), str(outcome.mutant), outcome.failed)
        for outcome in all_attacked([mutant for mutant in mutants() if asked(mutant)], options.jobs)
    )
    for part in (lines, code):
        for group, name, how in part:
            total[group] += 1
            killed[group] += bool(how)
            explained = f"survives: {known[name]}" if name in known else "SURVIVES"
            print(f"{name}: {how or explained}", flush=True)
            if bool(how) == (name in known):
                wrong.append(f"listed as a survivor, but noticed: {name}" if how else f"nothing notices: {name}")
    print(f"\n{'':24}{'mutants':>10}{'killed':>10}{'survivors':>10}")
    for group in total:
        print(f"{group:24}{total[group]:10}{killed[group]:10}{total[group] - killed[group]:10}")
    print(f"{'all':24}{total.total():10}{killed.total():10}{total.total() - killed.total():10}")
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
