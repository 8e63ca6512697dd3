"""The native verifier compiled for our own machine, freestanding, and run there on real proofs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests import both_verifiers, verifier_guest
from tests.asm import assemble, exit_with
from tests.conformance.test_verifiers import prove
from zisk_actors.chips import CHIP_SET
from zisk_actors.machine.emulator import Emulator
from zisk_actors.machine.events import Run
from zisk_actors.machine.rom import load_program
from zisk_actors.stark import poseidon2
from zisk_actors.stark.statement import Statement

PROGRAM = assemble(["li s1, 0xa0010000", "li a0, 77", "sd a0, 8(s1)", *exit_with(3)])


@pytest.fixture(scope="module")
def guest() -> bytes:
    return verifier_guest.build().read_bytes()


@pytest.fixture(scope="module")
def proved() -> tuple[bytes, bytes]:
    return prove(PROGRAM, "test", (1, 1))


def run(guest: bytes, data: bytes, vk: bytes, level: int) -> Run:
    """The guest on a proof and a key."""
    with Emulator(load_program(guest), verifier_guest.records(vk, data, level.to_bytes(8, "little"))) as emulator:
        return emulator.run()


def words(run: Run) -> list[int]:
    """The output as 64-bit words."""
    return [int(word) for word in np.frombuffer(run.output.astype("<u4").tobytes(), dtype="<u8")]


def digest(statement: Statement) -> list[int]:
    """What the guest says of an accepted proof."""
    ends = [statement.exit_code & 0xFFFFFFFF, statement.exit_code >> 32, statement.final_ts]
    return list(poseidon2.digest_of([*statement.vk, *statement.outputs, *ends]))


def test_it_accepts_what_the_other_verifiers_accept(guest: bytes, proved: tuple[bytes, bytes]):
    result = run(guest, *proved, 0)
    statement = both_verifiers.verify(*proved, CHIP_SET, 0).statement
    assert (result.trap, result.exit_code) == (None, 0)
    assert words(result)[:6] == [0, *digest(statement), 0]


def test_it_refuses_with_the_same_verdict(guest: bytes, proved: tuple[bytes, bytes]):
    data, vk = proved
    changed = bytearray(data)
    changed[-1] ^= 1
    for proof, key, level, code in (
        (bytes(changed), vk, 0, "proof-path"),
        (data, vk, 1, "proof-too-weak"),
        (data[:-1], vk, 0, "proof-undecodable"),
        (data, vk[:-1], 0, "key-malformed"),
        (b"", b"", 0, "proof-format"),
    ):
        result = run(guest, proof, key, level)
        assert result.trap is None
        assert both_verifiers.native_for(CHIP_SET).code(result.exit_code) == code
        assert words(result)[:6] == [result.exit_code, 0, 0, 0, 0, 0]


def test_its_memory_is_enough_for_any_proof():
    """The guest's arena is fixed when it is compiled."""
    source = (Path(verifier_guest.NATIVE) / "verifier" / "guest.cpp").read_text()
    assert "memory[8 << 20]" in source
    assert both_verifiers.native_for(CHIP_SET).memory_bytes <= 8 << 20


def test_it_is_freestanding(guest: bytes):
    """Nothing of a C or C++ library is in it: its functions are ours, the compiler's arithmetic, and the guests' runtime."""
    symbols = load_program(guest).symbols
    names = [symbols.locate(int(address)) for address in symbols.address]
    strange = ("malloc", "free", "_Zn", "_Zd", "__cxa", "_Unwind", "throw", "pthread")
    assert "main" in names
    assert not [name for name in names if name.startswith(strange)]


def test_cycles_are_counted_whole(guest: bytes, proved: tuple[bytes, bytes]):
    data, vk = proved
    functions = verifier_guest.cycles_by_function(guest, verifier_guest.records(vk, data[:-1], bytes(8)))
    assert sum(functions.values()) == run(guest, data[:-1], vk, 0).steps
    assert sum(verifier_guest.cycles_by_part(functions).values()) == sum(functions.values())


@pytest.mark.slow
def test_a_proof_for_recursion_is_accepted_and_most_cycles_are_permutations(guest: bytes):
    data, vk = prove(PROGRAM, "128-b8", (1,))
    result = run(guest, data, vk, 128)
    assert (result.trap, result.exit_code) == (None, 0)
    assert words(result)[1:5] == digest(both_verifiers.verify(data, vk, CHIP_SET, 128).statement)
    parts = verifier_guest.cycles_by_part(
        verifier_guest.cycles_by_function(guest, verifier_guest.records(vk, data, (128).to_bytes(8, "little")))
    )
    assert sum(parts.values()) == result.steps
    assert parts["permutation"] > 0.8 * result.steps
    assert all(parts.values())
