"""Whole runs, proven and verified on the cpu backend: every instruction on its edges, and what must not verify.

Rules: parameter set `test`, so a proof takes seconds; the reference emulator says what the output must be. Changes are made to
real proofs of a real program, and each must be refused with its own error.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from tests.asm import assemble, exit_with
from tests.edge_program import edge_program
from zisk_actors import proving
from zisk_actors.errors import ProofInvalid
from zisk_actors.machine.reference import Reference
from zisk_actors.machine.rom import load_program
from zisk_actors.stark import errors, proof
from zisk_actors.stark.chipset import ChipSet
from zisk_actors.stark.statement import Contribution

# Reads a word of the input, adds 1, outputs it.
ADD_ONE = assemble(
    ["li s0, 0x40000008", "ld a0, 0(s0)", "addi a0, a0, 1", "li s1, 0xa0010000", "sd a0, 0(s1)", *exit_with(0)],
)
STDIN = (41).to_bytes(8, "little")


def prove(elf: bytes, stdin: bytes, weights: tuple[int, ...]) -> tuple[bytes, bytes, list[bytes], list[bytes]]:
    """Verifying key, proof, contributions and partial proofs of a job, each share on a prover of its own."""
    provers = [proving.Prover() for _ in weights]
    contributions = [each.contribute(elf, stdin, "test", i, weights) for i, each in enumerate(provers)]
    partials = [each.prove(elf, stdin, "test", i, weights, contributions) for i, each in enumerate(provers)]
    key = provers[0].setup(elf, "test")
    return key, provers[0].aggregate(elf, "test", contributions, partials), contributions, partials


@pytest.fixture(scope="module")
def job() -> tuple[bytes, bytes, list[bytes], list[bytes]]:
    """A job of two shares."""
    return prove(ADD_ONE, STDIN, (1, 1))


@pytest.mark.slow
def test_every_instruction_on_its_edges_is_proven():
    elf = edge_program()
    expected = Reference(load_program(elf)).run()
    key, data, _, _ = prove(elf, b"", (2, 1))
    verified = proving.verify(data, vk=key, level="test")
    assert verified.output == tuple(int(word) for word in expected.output)
    assert verified.exit_code == 7
    assert verified.steps == expected.steps
    assert verified.shares == 2
    # Every table of an instruction is there.
    chips = {instance.chip for share in proof.decode(data).contributions for instance in share.instances}
    assert chips >= set(range(25))


def test_a_proof_says_what_the_program_did(job: tuple[bytes, bytes, list[bytes], list[bytes]]):
    key, data, _, _ = job
    verified = proving.verify(data, vk=key, level="test")
    assert verified.output[:2] == (42, 0)
    assert verified.exit_code == 0
    assert verified.bits == 0.0
    assert proving.verify(data, elf=ADD_ONE, level="test") == verified


def test_an_insecure_proof_is_refused_unless_asked_for(job: tuple[bytes, bytes, list[bytes], list[bytes]]):
    key, data, _, _ = job
    with pytest.raises(errors.TooWeak):
        proving.verify(data, vk=key)


def test_a_share_computed_again_is_the_same(job: tuple[bytes, bytes, list[bytes], list[bytes]]):
    _, _, contributions, partials = job
    fresh = proving.Prover(threads=1)
    assert fresh.contribute(ADD_ONE, STDIN, "test", 1, (1, 1)) == contributions[1]
    # Nothing kept: the share is computed again on the way.
    assert proving.Prover(threads=1).prove(ADD_ONE, STDIN, "test", 1, (1, 1), contributions) == partials[1]


def changed(data: bytes, **changes: object) -> bytes:
    """A proof with other values in its statement."""
    value = proof.decode(data)
    statement = msgspec.structs.replace(value.statement, **changes)
    return proof.encode(msgspec.structs.replace(value, statement=statement))


@pytest.mark.parametrize(
    "changes",
    [{"outputs": (43, *[0] * 63)}, {"exit_code": 1}, {"final_ts": 4 * 1000}],
    ids=["output", "exit code", "steps"],
)
def test_another_outcome_is_refused(job: tuple[bytes, bytes, list[bytes], list[bytes]], changes: dict[str, object]):
    key, data, _, _ = job
    with pytest.raises(errors.WrongChallenge):
        proving.verify(changed(data, **changes), vk=key, level="test")


def test_another_program_is_refused(job: tuple[bytes, bytes, list[bytes], list[bytes]]):
    other = assemble(["li a0, 1", *exit_with(0)])
    with pytest.raises(errors.WrongProgram):
        proving.verify(job[1], elf=other, level="test")


def test_shares_of_different_inputs_do_not_aggregate(job: tuple[bytes, bytes, list[bytes], list[bytes]]):
    _, _, contributions, _ = job
    stranger = proving.Prover().contribute(ADD_ONE, (7).to_bytes(8, "little"), "test", 1, (1, 1))
    with pytest.raises(errors.BadContribution, match="different runs"):
        proving.agree([contributions[0], stranger])


def test_what_is_wrong_of_a_share_is_blamed_on_that_share(job: tuple[bytes, bytes, list[bytes], list[bytes]]):
    _, _, contributions, partials = job
    for wrong in ([partials[0], partials[0]], [partials[0], b"nothing"], [partials[0], partials[1][:-1]]):
        with pytest.raises(ProofInvalid) as caught:
            proving.Prover().aggregate(ADD_ONE, "test", contributions, wrong)
        assert caught.value.share == 1
    for lie in (b"nothing", contributions[0]):
        with pytest.raises(errors.BadContribution) as blamed:
            proving.agree([contributions[0], lie])
        assert blamed.value.share == 1
    stranger = proving.decode_contribution(contributions[1])
    other = msgspec.structs.replace(stranger.contribution, root=(1, 2, 3, 4))
    lies = [contributions[0], msgspec.msgpack.encode(proving.Contributed(stranger.statement, other))]
    with pytest.raises(errors.ContributionMismatch):
        proving.Prover().prove(ADD_ONE, STDIN, "test", 1, (1, 1), lies)


def test_an_output_that_the_run_did_not_make_does_not_balance(job: tuple[bytes, bytes, list[bytes], list[bytes]]):
    """All shares lie together: consistent contributions and proofs for a false output."""
    _, _, contributions, _ = job
    lies = []
    for data in contributions:
        value = proving.decode_contribution(data)
        statement = msgspec.structs.replace(value.statement, outputs=(43, *[0] * 63))
        lies.append(msgspec.msgpack.encode(proving.Contributed(statement, value.contribution)))
    partials = [proving.Prover().prove(ADD_ONE, STDIN, "test", i, (1, 1), lies) for i in range(2)]
    with pytest.raises(errors.BusImbalance):
        proving.Prover().aggregate(ADD_ONE, "test", lies, partials)


def reordered(share: Contribution) -> Contribution:
    """The share's contribution with two of its instances exchanged."""
    instances = share.instances
    return msgspec.structs.replace(share, instances=(instances[1], instances[0], *instances[2:]))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda share: msgspec.structs.replace(share, root=(1, 2, 3, 4)), errors.WrongChallenge),
        (lambda share: msgspec.structs.replace(share, instances=share.instances[1:]), ProofInvalid),
        (lambda share: msgspec.structs.replace(share, instances=(share.instances[0], *share.instances)), ProofInvalid),
        (reordered, errors.NotInOrder),
    ],
    ids=["another stage-1 root", "an instance dropped", "an instance repeated", "instances reordered"],
)
def test_contributions_cannot_change_after_the_challenge(
    job: tuple[bytes, bytes, list[bytes], list[bytes]], change: object, error: type[ProofInvalid]
):
    key, data, _, _ = job
    value = proof.decode(data)
    assert callable(change)
    contributions = (value.contributions[0], change(value.contributions[1]))
    with pytest.raises(error):
        proving.verify(proof.encode(msgspec.structs.replace(value, contributions=contributions)), vk=key, level="test")


def test_partial_proofs_cannot_be_dropped_or_exchanged(job: tuple[bytes, bytes, list[bytes], list[bytes]]):
    key, data, _, _ = job
    value = proof.decode(data)
    for partials in (value.partials[:1], value.partials[::-1], (value.partials[0], value.partials[0])):
        with pytest.raises(ProofInvalid):
            proving.verify(proof.encode(msgspec.structs.replace(value, partials=partials)), vk=key, level="test")


@pytest.mark.parametrize("cut", [0, 1, 10, -1])
def test_a_truncated_proof_is_refused(job: tuple[bytes, bytes, list[bytes], list[bytes]], cut: int):
    key, data, _, _ = job
    with pytest.raises(ProofInvalid):
        proving.verify(data[:cut], vk=key, level="test")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_flipped_bytes_are_refused(job: tuple[bytes, bytes, list[bytes], list[bytes]], seed: int):
    """200 places, spread over the whole file (tests/property flips every byte of a small proof)."""
    key, data, _, _ = job
    for place in range(seed, len(data), len(data) // 200):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        with pytest.raises(ProofInvalid):
            proving.verify(bytes(flipped), vk=key, level="test")


def test_a_job_of_more_rows_than_a_chip_may_have_is_refused_before_it_is_proved(monkeypatch: pytest.MonkeyPatch):
    """Its contributions are put together: there the sum over all shares is known for the first time."""
    chips = tuple(replace(chip, max_job_rows=64) if chip.air.name == "addi" else chip for chip in proving.CHIP_SET.chips)
    monkeypatch.setattr(proving, "CHIP_SET", ChipSet(chips, proving.CHIP_SET.boundary))
    prover = proving.Prover()
    contributions = [prover.contribute(ADD_ONE, STDIN, "test", share, (1, 1)) for share in range(2)]

    def proved(*_: object) -> None:
        raise AssertionError("the share is proved, in vain")

    monkeypatch.setattr(proving.prover, "prove", proved)
    with pytest.raises(errors.TooManyRows, match="chip addi has 128 rows"):
        prover.prove(ADD_ONE, STDIN, "test", 1, (1, 1), contributions)
