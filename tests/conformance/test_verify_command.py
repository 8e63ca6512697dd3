"""`zisk verify` on a real proof, and on everything that only looks like one: exit code 0 or 10, one line, never a traceback."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from random import Random

import pytest

from tests.guest_models import sha256
from zisk_actors.cli.main import run
from zisk_actors.proving import Prover

pytestmark = pytest.mark.slow

SEED = 20261122
MESSAGE = b"what is proved"


class Proved:
    """A proof with test parameters, its program and its key, as files."""

    def __init__(self, folder: Path, guests: Path) -> None:
        self.folder = folder
        self.elf = guests / "sha256.elf"
        self.other_elf = guests / "fibonacci.elf"
        self.proof, self.key = folder / "proof.bin", folder / "sha256.vk"
        prover, elf, stdin = Prover(), self.elf.read_bytes(), sha256(MESSAGE).stdin
        self.key.write_bytes(prover.setup(elf, "test"))
        contributions = [prover.contribute(elf, stdin, "test", 0, [1])]
        partials = [prover.prove(elf, stdin, "test", 0, [1], contributions)]
        self.proof.write_bytes(prover.aggregate(elf, "test", contributions, partials))

    def changed(self, content: bytes) -> Path:
        path = self.folder / "changed.bin"
        path.write_bytes(content)
        return path


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory, guests: Path) -> Proved:
    return Proved(tmp_path_factory.mktemp("proved"), guests)


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run(words) == 10
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0].startswith("error[")
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: "))
    return lines[0]


def test_a_good_proof(proved: Proved, capsys: pytest.CaptureFixture[str]):
    for program in (["--elf", str(proved.elf)], ["--vk", str(proved.key)]):
        assert run(["verify", str(proved.proof), *program, "--params", "test", "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["valid"] is True
        assert said["output"][:64] == hashlib.sha256(MESSAGE).hexdigest()
        assert (said["exit_code"], said["params"], said["shares"], said["bits"]) == (0, "test", 1, 0)
    assert run(["verify", str(proved.proof), "--vk", str(proved.key), "--params", "test"]) == 0
    text = capsys.readouterr().out
    assert hashlib.sha256(MESSAGE).hexdigest() in text
    assert "INSECURE" in text


def test_test_parameters_are_refused_unless_asked_for(proved: Proved, capsys: pytest.CaptureFixture[str]):
    refused(["verify", str(proved.proof), "--elf", str(proved.elf)], capsys)
    refused(["verify", str(proved.proof), "--vk", str(proved.key), "--params", "100"], capsys)


def test_another_program(proved: Proved, capsys: pytest.CaptureFixture[str]):
    refused(["verify", str(proved.proof), "--elf", str(proved.other_elf), "--params", "test"], capsys)


def test_flipped_bytes(proved: Proved, capsys: pytest.CaptureFixture[str]):
    random, whole = Random(SEED), proved.proof.read_bytes()
    for position in [0, 1, len(whole) - 1, *(random.randrange(len(whole)) for _ in range(40))]:
        flipped = bytearray(whole)
        flipped[position] ^= 1 << random.randrange(8)
        path = proved.changed(bytes(flipped))
        refused(["verify", str(path), "--vk", str(proved.key), "--params", "test"], capsys)


def test_truncated_extended_and_empty(proved: Proved, capsys: pytest.CaptureFixture[str]):
    whole = proved.proof.read_bytes()
    for content in (b"", whole[:1], whole[:100], whole[: len(whole) // 2], whole[:-1], whole + b"\0", bytes(1000), b"\xff" * 1000):
        path = proved.changed(content)
        refused(["verify", str(path), "--vk", str(proved.key), "--params", "test"], capsys)


def test_a_key_that_is_none(proved: Proved, capsys: pytest.CaptureFixture[str]):
    for content in (b"", b"key", proved.key.read_bytes()[:-1], proved.proof.read_bytes()):
        path = proved.changed(content)
        code = run(["verify", str(proved.proof), "--vk", str(path), "--params", "test"])
        said = capsys.readouterr().err
        assert code in (2, 10, 11), said
        assert said.startswith("error[")
        assert "internal" not in said
