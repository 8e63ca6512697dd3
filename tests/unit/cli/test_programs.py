"""`zisk program show`, and what is said of a program before the work begins."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from tests.asm import assemble, exit_with
from zisk_actors.cli import programs
from zisk_actors.cli.main import run

FADD_D = 0x02B57553
ELF = assemble(["start: mul a0, a0, a1", FADD_D, *exit_with(0)], b"data")


@pytest.fixture
def elf(tmp_path: Path) -> Path:
    path = tmp_path / "guest.elf"
    path.write_bytes(ELF)
    return path


def test_a_program_is_shown_without_a_cluster(elf: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["program", "show", str(elf)]) == 0
    said = capsys.readouterr()
    assert "entry 0x80000000 (start)" in said.out
    assert "0x80000000\t0x80000014\t20 B\t20 B\tread, execute" in said.out
    assert "0xa0030000\t0xa0030004\t4 B\t4 B\tread, write" in said.out
    assert "instructions: 3 I, 1 M, 1 D" in said.out
    assert "tables: addi 2, mul 1, halt 1" in said.out
    assert "not run here: `fadd.d (D)` at 0x80000004 (start+0x4)" in said.out
    assert said.err.startswith("warning: this machine does not run `fadd.d (D)`")


def test_a_program_is_shown_as_json(elf: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["program", "show", str(elf), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "zisk.program-survey/1"
    assert found["unsupported"] == [{"address": 0x80000004, "symbol": "start+0x4", "instruction": "fadd.d (D)"}]
    assert (found["entry"], found["rows"], found["extensions"]) == (0x80000000, 9, {"I": 3, "M": 1, "D": 1})
    assert [segment["writable"] for segment in found["segments"]] == [False, True]


def test_many_instructions_are_counted_where_they_cannot_all_be_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "guest.elf"
    path.write_bytes(assemble([FADD_D] * (programs.MOST_SHOWN + 3)))
    assert run(["program", "show", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.count("not run here: `") == programs.MOST_SHOWN
    assert "not run here: 3 more, which --json lists" in out


def test_what_is_no_elf_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "text").write_text("hello")
    assert run(["program", "show", str(tmp_path / "text")]) == 2
    assert "elf-not-elf" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["program", "add"], ["program", "setup"], ["prove"]])
def test_who_sends_a_program_is_warned_before_the_work(
    words: list[str], elf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Before there is a cluster to ask: none is running here, and none is started."""

    def connect(**_: object) -> None:
        raise SystemExit(77)

    for module in ("programs", "prove"):
        monkeypatch.setattr(importlib.import_module(f"zisk_actors.cli.{module}"), "connect", connect)
    monkeypatch.chdir(elf.parent)
    with pytest.raises(SystemExit):
        run([*words, str(elf)])
    assert "warning: this machine does not run `fadd.d (D)`" in capsys.readouterr().err


def test_what_is_not_here_or_no_program_is_not_warned_of(capsys: pytest.CaptureFixture[str]):
    programs.warn_of_program(b"no ELF file")
    programs.warn_of_program(None)
    assert capsys.readouterr().err == ""
