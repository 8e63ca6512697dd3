"""The mock prover: deterministic, complete in itself, and taken by no verifier, whatever is done to its bytes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zisk_actors import mock, proving
from zisk_actors.errors import ProofInvalid, UsageError
from zisk_actors.stark.errors import MockProof
from zisk_actors.stark.magic import MOCK_MAGIC, PARTIAL_MAGIC, PROOF_MAGIC

ELF = b"\x7fELF the program"
PROOF = mock.expected_proof(ELF, b"input", "test", (10, 10))
KEY = mock.MockProver().setup(ELF, "test")
CONTRIBUTIONS = [mock.MockProver().contribute(ELF, b"input", "test", share, (10, 10)) for share in range(2)]


def test_the_mock_itself_takes_its_proof_and_says_that_it_proves_nothing() -> None:
    said = mock.MockProver().verify(PROOF, KEY, "test", CONTRIBUTIONS)
    assert (said.params, said.bits, said.shares) == ("mock", 0.0, 2)
    assert said.output == mock.MockProver().execute(ELF, b"input").output


def test_it_takes_no_proof_of_something_else_than_was_contributed() -> None:
    prover = mock.MockProver()
    for other in (b"other", b"input"):
        weights = (10, 10) if other == b"other" else (10, 11)
        contributions = [prover.contribute(ELF, other, "test", share, weights) for share in range(2)]
        with pytest.raises(mock.MockInvalid, match="not the mock proof of what was contributed"):
            prover.verify(PROOF, KEY, "test", contributions)


def test_it_finds_what_was_contributed_to_another_run() -> None:
    prover = mock.MockProver()
    run = prover.execute(ELF, b"input")
    seen = (run.steps, run.exit_code, run.output)
    other = prover.contribute(ELF, b"other", "test", 1, (10, 10))
    assert prover.other_runs(CONTRIBUTIONS, KEY, *seen) == []
    assert prover.other_runs([CONTRIBUTIONS[0], other], KEY, *seen) == [1]
    assert prover.other_runs([b"none", CONTRIBUTIONS[1]], KEY, *seen) == [0]
    assert prover.other_runs(CONTRIBUTIONS, prover.setup(ELF, "128"), *seen) == [0, 1]


def test_the_same_run_gives_the_same_bytes_and_another_run_gives_others() -> None:
    assert mock.expected_proof(ELF, b"input", "test", (10, 10)) == PROOF
    others = [(ELF, b"other", "test", (10, 10)), (ELF, b"input", "128", (10, 10)), (ELF, b"input", "test", (10, 11))]
    assert PROOF not in [mock.expected_proof(*other) for other in others]


def test_a_share_that_somebody_else_made_otherwise_is_named() -> None:
    prover = mock.MockProver()
    right = [prover.contribute(ELF, b"input", "test", share, (1, 1)) for share in range(2)]
    wrong = [right[0], prover.contribute(ELF, b"other", "test", 1, (1, 1))]
    with pytest.raises(mock.MockInvalid):
        prover.prove(ELF, b"input", "test", 0, (1, 1), wrong)
    partials = [prover.prove(ELF, b"input", "test", share, (1, 1), right) for share in range(2)]
    with pytest.raises(mock.MockInvalid) as caught:
        prover.aggregate(ELF, "test", right, [partials[0], partials[0]])
    assert caught.value.share == 1


def test_no_elf_is_refused() -> None:
    with pytest.raises(UsageError):
        mock.MockProver().setup(b"MZ", "test")


def test_the_verifier_refuses_it_by_name() -> None:
    with pytest.raises(MockProof) as caught:
        proving.verify(PROOF, vk=KEY, level="test")
    assert (caught.value.code, caught.value.exit_code) == ("proof-mock", 10)
    assert len({MOCK_MAGIC, PARTIAL_MAGIC, PROOF_MAGIC}) == 3


def _refused(content: bytes) -> None:
    with pytest.raises(ProofInvalid):
        proving.verify(content, vk=KEY, level="test")


@given(st.integers(0, len(PROOF) - 1), st.integers(1, 255))
def test_no_changed_byte_makes_it_a_proof(at: int, change: int) -> None:
    _refused(PROOF[:at] + bytes([PROOF[at] ^ change]) + PROOF[at + 1 :])


@given(st.integers(0, len(PROOF)), st.integers(0, len(PROOF)), st.binary(max_size=64), st.sampled_from([b"", PROOF_MAGIC, PARTIAL_MAGIC]))
@example(len(MOCK_MAGIC), 0, b"", PROOF_MAGIC)
@example(len(MOCK_MAGIC), 0, b"\x94", PROOF_MAGIC)
def test_no_cut_no_splice_and_no_other_beginning_makes_it_a_proof(start: int, end: int, between: bytes, begin: bytes) -> None:
    _refused(begin + PROOF[start:] + between + PROOF[:end])
