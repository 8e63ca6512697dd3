"""How values look, and how a guest's input is put together."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from zisk_actors.cli import output
from zisk_actors.errors import NotFoundError, RefusedRetryLater, UsageError


def test_output_hex_is_memory_order():
    assert output.output_hex([0x04030201, 0x08070605]) == "0102030405060708"


def test_output_lines_leave_out_zeros_at_the_end():
    words = [0] * 64
    assert output.output_lines(words) == ["0" * 64]
    words[15] = 1
    assert output.output_lines(words) == ["0" * 64, "0" * 56 + "01000000"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0.40 s"), (1, "1 s"), (59.2, "59 s"), (60, "1:00"), (187, "3:07"), (7805, "2:10:05"), (3599.9, "1:00:00")]
)
def test_duration(seconds: float, text: str):
    assert output.duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 20, "3.0 MiB"), (5 << 30, "5.0 GiB")])
def test_size(count: int, text: str):
    assert output.size(count) == text


def test_a_refusal_says_when_to_try_again(capsys: pytest.CaptureFixture[str]):
    full = RefusedRetryLater("2 jobs wait already", hint="try again when some have started")
    full.retry_after_seconds = 7.4
    output.report(full, as_json=False)
    assert capsys.readouterr().err == "error[refused]: 2 jobs wait already (try again in 7 s)\nhint: try again when some have started\n"
    output.report(full, as_json=True)
    assert json.loads(capsys.readouterr().err)["error"]["retry_after_seconds"] == 7.4
    output.report(UsageError("no"), as_json=False)
    assert capsys.readouterr().err == "error[usage]: no\n"


EVIL = "\x1b]0;title\x07[link=https://evil][/nothing]\u202eback\x9b2J\rover"


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("columns", ["200", "20"])
def test_what_others_wrote_is_no_command_to_a_terminal(
    terminal: bool, columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "dumb")  # then a table has no bold headings
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    output.table(["NAME", "STATE"], [[EVIL, "ready"]])
    output.echo(EVIL)
    output.say(EVIL)
    output.report(UsageError(EVIL, hint=EVIL), as_json=False)
    output.print_json("zisk.test/1", name=EVIL)
    output.report(UsageError(EVIL), as_json=True)
    said = capsys.readouterr()
    assert not {"\x1b", "\x07", "\u202e", "\x9b", "\r"} & set(said.out + said.err)
    assert "[link=" in said.out, "what is printed is there, as it was written"


def test_letters_stay_and_so_do_lines_and_tabs(capsys: pytest.CaptureFixture[str]):
    output.echo("M\u00fcller\t1\n\u2713")
    output.print_json("zisk.test/1", name="M\u00fcller")
    assert capsys.readouterr().out == 'M\u00fcller\t1\n\u2713\n{"schema": "zisk.test/1", "name": "M\u00fcller"}\n'


def test_records_are_padded_to_words(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "c").write_bytes(b"12345678")
    whole = output.guest_input(None, [str(tmp_path / name) for name in "abc"])
    assert whole == b"\x03" + bytes(7) + b"abc" + bytes(5) + bytes(8) + b"\x08" + bytes(7) + b"12345678"


def test_raw_input_is_untouched(tmp_path: Path):
    (tmp_path / "raw").write_bytes(b"xyz")
    assert output.guest_input(str(tmp_path / "raw"), []) == b"xyz"
    assert output.guest_input(None, []) == b""


def test_raw_and_records_exclude_each_other():
    with pytest.raises(UsageError):
        output.guest_input("a", ["b"])
    with pytest.raises(UsageError):
        output.guest_input(None, ["-", "-"])


def test_files_that_are_not_there(tmp_path: Path):
    with pytest.raises(NotFoundError, match="no proof at"):
        output.read_file(str(tmp_path / "nothing"), "proof")
    with pytest.raises(UsageError, match="cannot read the proof"):
        output.read_file(str(tmp_path), "proof")


def test_files_that_are_too_big(tmp_path: Path):
    (tmp_path / "big").write_bytes(bytes(11))
    with pytest.raises(UsageError, match="more than 10 B"):
        output.read_file(str(tmp_path / "big"), "proof", limit=10)


def test_writing_replaces_at_once_and_leaves_nothing_behind(tmp_path: Path):
    target = tmp_path / "proof"
    output.write_file(str(target), b"one", "proof")
    output.write_file(str(target), b"two", "proof")
    assert target.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(UsageError, match="cannot write the proof"):
        output.write_file(str(tmp_path / "no" / "proof"), b"", "proof")


def test_devices_are_written_to_not_replaced():
    output.write_file(os.devnull, b"x", "proof")
    assert not Path(os.devnull).is_file()


def test_unwritable_targets_are_refused_early(tmp_path: Path):
    output.check_writable(str(tmp_path / "new"), "proof")
    output.check_writable("-", "proof")
    for target in (tmp_path, tmp_path / "no" / "proof"):
        with pytest.raises(UsageError, match="cannot write the proof"):
            output.check_writable(str(target), "proof")


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5s", 1.5), ("10m", 600), ("2h", 7200)])
def test_a_deadline_is_a_number_with_a_unit(text: str, seconds: float):
    assert output.seconds_of(text, "--deadline") == seconds


@pytest.mark.parametrize("text", ["", "0", "soon", "-3s", "1d", "1e9", "9999999h"])
def test_a_deadline_that_is_none_is_refused(text: str):
    with pytest.raises(UsageError, match="--deadline takes a time above zero"):
        output.seconds_of(text, "--deadline")
