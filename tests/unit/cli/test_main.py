"""The top of the commands: how errors look, what they exit with, and that nothing heavy loads for nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from zisk_actors import errors
from zisk_actors.cli import main, verbs
from zisk_actors.cli.main import cli, run

HEAVY = ("numpy", "trio", "zmq", "msgspec", "rich", "structlog", "zisk_actors.proving", "zisk_actors.stark", "zisk_actors.client")


def all_commands(group: click.Command = cli, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    found = [(path, group)]
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            found += all_commands(command, (*path, name))
    return found


def failing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @click.option("--json", is_flag=True)
    def fail(json: bool) -> None:
        raise error

    monkeypatch.setitem(cli.commands, "fail", fail)


def test_help_loads_nothing_heavy():
    program = "import sys; from zisk_actors.cli.main import run; run(['--help']); print(*sys.modules, sep='\\n', file=sys.stderr)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "prove" in answer.stdout
    assert set(answer.stderr.split()) & set(HEAVY) == set()


@pytest.mark.parametrize("path", [path for path, _ in all_commands()], ids=lambda path: " ".join(path) or "zisk")
def test_every_command_has_help(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]):
    assert run([*path, "--help"]) == 0
    assert "Usage: zisk" in capsys.readouterr().out


def test_every_command_that_answers_has_json():
    for path, command in all_commands():
        if not isinstance(command, click.Group):
            assert any("--json" in parameter.opts for parameter in command.params), " ".join(path)


VERB = """
import click

from zisk_actors.cli.output import json_option
from zisk_actors.cli.verbs import verb


@verb(15)
@click.command()
@json_option
def frobnicate(as_json: bool) -> None:
    click.echo("frobnicated")
"""


def test_a_verb_is_a_module(tmp_path: Path):
    (tmp_path / "frobnicate.py").write_text(VERB)
    program = f"import zisk_actors.cli; zisk_actors.cli.__path__.append({str(tmp_path)!r}); from zisk_actors.cli.main import cli, run; "
    program += "assert list(cli.commands)[:3] == ['prove', 'frobnicate', 'verify']; raise SystemExit(run(['frobnicate']))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (answer.returncode, answer.stdout) == (0, "frobnicated\n"), answer.stderr


def test_no_two_verbs_have_one_place():
    verbs.verbs()
    places = [place for place, _ in verbs._VERBS.values()]
    assert len(set(places)) == len(places)


def test_an_expected_failure_is_two_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    failing(errors.NotFoundError("no job\n  7", hint="look"), monkeypatch)
    assert run(["fail"]) == 3
    assert capsys.readouterr().err == "error[not-found]: no job 7\nhint: look\n"
    assert run(["fail", "--json"]) == 3
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "not-found"


def test_a_bug_of_ours_is_one_line_and_a_hint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    failing(RuntimeError("boom"), monkeypatch)
    assert run(["fail"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error[internal]: internal error, please report it: RuntimeError: boom\n")
    assert "Traceback" not in said
    monkeypatch.setenv("ZISK_DEBUG", "1")
    with pytest.raises(RuntimeError):
        run(["fail"])


def test_an_interrupt(monkeypatch: pytest.MonkeyPatch):
    failing(KeyboardInterrupt(), monkeypatch)
    assert run(["fail"]) == 130


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["prove"],
        ["prove", "a", "b"],
        ["verify", "p", "--params", "7"],
        ["verify", "p"],
        ["verify", "p", "--elf", "a", "--vk", "b"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_two(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert run(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error[usage]: ")


def test_files_that_are_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["verify", str(tmp_path / "p"), "--elf", str(tmp_path / "e")]) == 3
    assert capsys.readouterr().err.startswith("error[not-found]: no proof at ")


def test_the_tree_of_errors_is_documented():
    def tree(kind: type[errors.ZiskError]) -> list[type[errors.ZiskError]]:
        return [kind, *(below for child in kind.__subclasses__() for below in tree(child))]

    assert {kind.exit_code for kind in tree(errors.ZiskError)} <= set(errors.BY_EXIT_CODE)


def test_errors_survive_pickling():
    import pickle

    class Special(errors.ProofInvalid):
        def __init__(self, number: int) -> None:
            super().__init__(f"number {number}", hint="h")
            self.number = number

    globals()["Special"] = Special
    Special.__qualname__ = "Special"
    copy = pickle.loads(pickle.dumps(Special(7)))
    assert (copy.message, copy.hint, copy.number, copy.exit_code) == ("number 7", "h", 7, 10)


def test_a_reader_that_leaves_ends_us_quietly():
    program = "from zisk_actors.cli import main; import click\n"
    program += "@click.command()\ndef flood():\n    for _ in range(10**6): click.echo('x' * 100)\n"
    program += "main.cli.add_command(flood, 'flood'); import sys; sys.exit(main.run(['flood']))"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.readline()
        writer.stdout.close()
        assert writer.stderr.read() == b""
        assert writer.wait(timeout=60) == main.CLOSED_PIPE
