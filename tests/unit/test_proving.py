"""What a proof has to be made of, and what a run does, at the facade: a valid proof of another input is refused where it is known what was
contributed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec
import pytest

from tests import toy
from tests.asm import assemble, exit_with
from zisk_actors import proving
from zisk_actors.errors import BeyondBudget
from zisk_actors.machine.events import TrapKind
from zisk_actors.stark import proof
from zisk_actors.stark.errors import BadContribution
from zisk_actors.stark.statement import Contribution, Statement

# Reads a word of the input, adds 1, outputs it.
ADD_ONE = assemble(["li s0, 0x40000008", "ld a0, 0(s0)", "addi a0, a0, 1", "li s1, 0xa0010000", "sd a0, 0(s1)", *exit_with(0)])
LOOP = assemble(["loop:", "jal zero, loop"])

# ------------------------------------------------------------------------------------------------------- values, without a proof


def made() -> proof.Proof:
    job = toy.honest()
    return proof.Proof(job.key.vk.parameters, job.statement, job.contributions, job.partials)


def encoded(statement: Statement, contributions: Sequence[Contribution]) -> list[bytes]:
    return [msgspec.msgpack.encode(proving.Contributed(statement, contribution)) for contribution in contributions]


def given() -> list[bytes]:
    return encoded(toy.honest().statement, toy.honest().contributions)


Change = Callable[[proof.Proof], proof.Proof]


def _part(name: str, change: Callable[[tuple[Contribution, ...]], object]) -> Change:
    return lambda honest: msgspec.structs.replace(honest, **{name: change(getattr(honest, name))})


def _statement(**changes: object) -> Change:
    return lambda honest: msgspec.structs.replace(honest, statement=msgspec.structs.replace(honest.statement, **changes))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_part("contributions", lambda parts: parts[:1]), "of 1 shares, and the job of 2"),
        (_part("contributions", lambda parts: (*parts, parts[0])), "of 3 shares, and the job of 2"),
        (_part("contributions", lambda parts: parts[::-1]), "another contribution of share 0"),
        (_part("contributions", lambda parts: (parts[0], msgspec.structs.replace(parts[1], root=(1, 2, 3, 4)))), "share 1"),
        (_part("contributions", lambda parts: (parts[0], msgspec.structs.replace(parts[1], instances=()))), "share 1"),
        (_part("contributions", lambda parts: (parts[0], msgspec.structs.replace(parts[1], bindings=()))), "share 1"),
        (_statement(vk=(1, 2, 3, 4)), "statement"),
        (_statement(exit_code=99), "statement"),
        (_statement(final_ts=400), "statement"),
        (_statement(outputs=(77,) * 64), "statement"),
    ],
    ids=["dropped", "added", "order", "root", "instances", "bindings", "program", "exit code", "steps", "output"],
)
def test_each_part_of_the_answer_is_compared(change: Change, words: str) -> None:
    proving.check_answers(made(), given())
    with pytest.raises(proving.AnotherAnswer, match=words) as caught:
        proving.check_answers(change(made()), given())
    assert (caught.value.code, caught.value.exit_code) == ("proof-other-answer", 10)


def test_contributions_that_share_no_statement_are_answered_by_nothing() -> None:
    job = toy.honest()
    other = encoded(msgspec.structs.replace(job.statement, exit_code=99), job.contributions)
    for wrong in ([], [given()[0], other[1]], [b"none", given()[1]], given()[::-1]):
        with pytest.raises(BadContribution):
            proving.check_answers(made(), wrong)


def test_contributions_to_another_run_are_found() -> None:
    job = toy.honest()
    key, said = job.key.vk, job.statement
    seen = (said.steps, said.exit_code, said.outputs)
    find = proving.other_runs
    other = encoded(msgspec.structs.replace(said, exit_code=99), job.contributions)
    assert find(given(), key.encode(), *seen) == []
    assert find(other, key.encode(), *seen) == [0, 1]
    assert find([given()[0], other[1]], key.encode(), *seen) == [1]
    assert find([b"none", given()[1]], key.encode(), *seen) == [0]
    assert find(given()[::-1], key.encode(), *seen) == [0, 1], "of another share than the place says"
    assert find(given(), key.encode(), said.steps + 1, said.exit_code, said.outputs) == [0, 1]
    assert find(given(), key.encode(), said.steps, said.exit_code + 1, said.outputs) == [0, 1]
    assert find(given(), key.encode(), said.steps, said.exit_code, (77,) * 64) == [0, 1]
    assert find(given(), msgspec.structs.replace(key, entry=key.entry + 1).encode(), *seen) == [0, 1], "of another program"


# ------------------------------------------------------------------------------------------------------------------- real proofs


@dataclass(frozen=True)
class Job:
    key: bytes
    proof: bytes
    contributions: list[bytes]


@cache
def prove(number: int, weights: tuple[int, ...]) -> Job:
    """A job for the input that is this number."""
    stdin = number.to_bytes(8, "little")
    provers = [proving.Prover() for _ in weights]
    contributions = [each.contribute(ADD_ONE, stdin, "test", i, weights) for i, each in enumerate(provers)]
    partials = [each.prove(ADD_ONE, stdin, "test", i, weights, contributions) for i, each in enumerate(provers)]
    return Job(provers[0].setup(ADD_ONE, "test"), provers[0].aggregate(ADD_ONE, "test", contributions, partials), contributions)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "weights"),
    [(89, (1, 1)), (89, (1,)), (9, (1, 2))],
    ids=["of another input", "in fewer shares", "of the same input, cut otherwise"],
)
def test_a_valid_proof_of_something_else_is_refused_where_it_is_known_what_was_contributed(number: int, weights: tuple[int, ...]) -> None:
    asked, other = prove(9, (1, 1)), prove(number, weights)
    prover = proving.Prover()
    assert prover.verify(asked.proof, asked.key, "test", asked.contributions).output[0] == 10
    assert proving.verify(other.proof, vk=asked.key, level="test").output[0] == number + 1, "by itself it is valid"
    with pytest.raises(proving.AnotherAnswer):
        prover.verify(other.proof, asked.key, "test", asked.contributions)


@pytest.mark.slow
def test_a_run_finds_its_own_contributions() -> None:
    asked, other = prove(9, (1, 1)), prove(89, (1, 1))
    run = proving.Prover().execute(ADD_ONE, (9).to_bytes(8, "little"), 1000)
    seen = (asked.key, run.steps, run.exit_code, run.output)
    assert proving.Prover().other_runs(asked.contributions, *seen) == []
    assert proving.Prover().other_runs(other.contributions, *seen) == [0, 1]


# -------------------------------------------------------------------------------------------------------------------------- runs


def test_a_run_stops_at_its_budget() -> None:
    prover, stdin = proving.Prover(), (9).to_bytes(8, "little")
    whole, within = prover.execute(ADD_ONE, stdin), prover.execute(ADD_ONE, stdin, 1000)
    assert whole == within == prover.execute(ADD_ONE, stdin, whole.steps)
    for elf, budget in ((ADD_ONE, whole.steps - 1), (LOOP, 1000)):
        with pytest.raises(BeyondBudget, match=f"beyond the budget of {budget} steps"):
            prover.execute(elf, stdin, budget)


def test_a_trap_within_the_budget_is_a_trap() -> None:
    run = proving.Prover().execute(assemble(["li s0, 8", "ld a0, 0(s0)"]), b"", 1000)
    assert run.trap is not None
    assert run.trap.kind is TrapKind.OUTSIDE_MAP
