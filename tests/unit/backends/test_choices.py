"""A backend is one row: nothing else names one, and everything that lists backends follows the table."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from zisk_actors import backends, native
from zisk_actors.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]
# Words that are those of a backend, and stand for something else: a folder of native/, a field of JSON, a parameter set.
OTHERS = {("backends/build.py", "cpu"), ("cli/chaos.py", "mock"), ("mock.py", "mock")}

ROW = '    Choice("fourth", "tests.unit.backends.test_choices:Fourth", title="fourth", check="tests.unit.backends.test_choices:check"),\n'
"""All that a fourth backend changes outside its own module."""

WITH_A_ROW = f"""
import importlib.util, sys
spec = importlib.util.find_spec("zisk_actors.backends")
source = spec.loader.get_source(spec.name)
head = "CHOICES: Final = (\\n"
assert head in source
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = module
exec(compile(source.replace(head, head + {ROW!r}), spec.origin, "exec"), vars(module))

from pathlib import Path
from zisk_actors import config, config_files
from zisk_actors.cli.bench import bench
from zisk_actors.proving import Prover
from click.testing import CliRunner

for key, kind in (("worker.backend", config.WorkerConfig), ("verifier.backend", config.CoordinatorConfig)):
    path = Path(sys.argv[1])
    table, name = key.split(".")
    path.write_text(f'[{{table}}]\\n{{name}} = "fourth"\\n')
    settings, _ = config.load(kind, [(path, True)], {{}}, {{}}, {{}})
    assert getattr(getattr(settings, table), name) == "fourth"
assert "fourth" in config_files.tables()["worker"] and "fourth" in config_files.tables()["coordinator"]
assert "fourth" in CliRunner().invoke(bench, ["--help"]).output
prover = Prover("fourth", 3)
assert type(prover.backend).__name__ == "Fourth" and prover.backend.threads == 3
assert prover.measure() > 0
print([title for title, *_ in module.checks()])
"""


class Fourth:
    """A backend of a test: the reference under another name."""

    def __new__(cls, threads: int | None = None) -> Fourth:
        from zisk_actors.backends.reference import ReferenceBackend

        made = type("Fourth", (ReferenceBackend,), {"threads": threads})(threads)
        return made  # type: ignore[no-any-return]


def check() -> tuple[str, str]:
    return "is here", ""


def test_a_fourth_backend_is_a_row(tmp_path: Path):
    command = [sys.executable, "-c", WITH_A_ROW, str(tmp_path / "settings.toml")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == "['fourth', 'native code']"


def test_nothing_else_names_a_backend():
    found = set()
    for path in (ROOT / "zisk_actors").rglob("*.py"):
        name = path.relative_to(ROOT / "zisk_actors").as_posix()
        if name != "backends/__init__.py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and node.value in backends.NAMES:
                    found.add((name, node.value))
    assert found == OTHERS


def test_the_table_is_sound():
    assert len(set(backends.NAMES)) == len(backends.NAMES)
    assert backends.DEFAULT in backends.PROVING
    assert set(backends.NAMES) - set(backends.PROVING) == {backends.MOCK}
    assert backends.MODES == (backends.REAL, backends.MOCK)
    for name in backends.PROVING:
        assert 2**20 < backends.proving_bytes(name, {"add": 1000}, 1000, 1) < 2**40


def test_names_for_people():
    assert backends.either(("a",)) == "a"
    assert backends.either(("a", "b")) == "a or b"
    assert backends.either(("a", "b", "c")) == "a, b or c"


@pytest.mark.parametrize("name", ["nothing", backends.MOCK])
def test_what_multiplies_nothing_is_not_made(name: str):
    with pytest.raises(UsageError, match="no backend") as caught:
        backends.make_backend(name)
    assert backends.DEFAULT in caught.value.hint


def test_a_mock_is_told_from_what_proves():
    assert backends.is_mock(backends.MOCK)
    assert not any(backends.is_mock(name) for name in (*backends.PROVING, "one that only a newer worker knows", ""))


def test_doctor_hears_what_does_not_run(monkeypatch: pytest.MonkeyPatch):
    (found,) = backends.checks()
    assert found[0] == "native code"
    assert found[1]
    assert found[3] is None
    monkeypatch.setattr(native, "load", lambda: (_ for _ in ()).throw(native.NativeUnavailable("gone")))
    ((title, _, _, error),) = backends.checks()
    assert title == "native code"
    assert isinstance(error, native.NativeUnavailable)


def test_the_table_loads_nothing_heavy():
    script = "import sys, zisk_actors.backends; print([name for name in ('numpy', 'trio', 'msgspec') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True).stdout == "[]\n"
