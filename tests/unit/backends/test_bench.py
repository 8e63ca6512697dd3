"""Measuring kernels: medians, fractions of a ceiling, and a whole small run."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from zisk_actors.backends.bench import MULTIPLY, RUNS, Ruler, figures
from zisk_actors.cli.bench import bench
from zisk_actors.errors import UsageError


def test_a_figure_is_a_median_and_a_part_of_its_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = iter([1.0, 2.0, 4.0, 1.0, 2.0, *[1.0] * RUNS])
    clock = {"process": 0.0, "real": 0.0}

    def run() -> None:
        if ready:
            clock["process"] += next(lengths)
            clock["real"] = 2 * clock["process"]

    monkeypatch.setattr("zisk_actors.backends.bench.time.process_time", lambda: clock["process"])
    monkeypatch.setattr("zisk_actors.backends.bench.time.perf_counter", lambda: clock["real"])
    ready: list[int] = []
    ruler = Ruler(1)

    def counted() -> None:
        run()
        ready.append(1)

    ceiling = ruler.ceiling(MULTIPLY, "multiplications", "products", 8.0, counted)
    assert (ceiling.rate, ceiling.slowest, ceiling.fastest, ceiling.runs) == (4.0, 2.0, 8.0, RUNS)
    assert ceiling.quiet == 0.5
    ready.clear()
    found = ruler.figure("ntt", "elements", 1.0, counted, MULTIPLY, 2.0)
    assert found.rate == 1.0
    assert found.fraction == 0.5


def test_kernels_exclude_a_program() -> None:
    result = CliRunner().invoke(bench, ["--kernels", "--cycles", "5"])
    assert isinstance(result.exception, UsageError)


@pytest.mark.slow
def test_all_figures_of_small_matrices() -> None:
    found = list(figures("cpu", 8, 4, 1))
    assert len({figure.name for figure in found}) == len(found) == 14
    assert all(0 < figure.slowest <= figure.rate <= figure.fastest for figure in found)
    assert all(0 < figure.fraction < 1.5 for figure in found if figure.ceiling)
