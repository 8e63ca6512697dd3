"""The verifier: the same numbered steps as ``prover.py``, under the same names, from the other side.

Rules: no backend, no prover, no clock. Parameters come from the verifying key, the chip set and the level from the caller; a proof's
own word is only compared. Sizes come from the layout. Every check that fails raises its own subclass of ProofInvalid. All queries of
a share are checked at once. native/verifier/steps.hpp has the same steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zisk_actors.air.evaluate import Ext, ext_add, ext_mul
from zisk_actors.stark import domain, field, fri, merkle, poseidon2, rules
from zisk_actors.stark.chipset import ChipSet
from zisk_actors.stark.constraints import constraints_hold
from zisk_actors.stark.errors import (
    BusImbalance,
    GrindingMissing,
    MissingShare,
    PathMismatch,
    QuotientMismatch,
    TooWeak,
    WrongChallenge,
    WrongParameters,
    WrongProgram,
    WrongRoot,
)
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.keys import VerifyingKey
from zisk_actors.stark.layout import Group, Layout, TreeKind
from zisk_actors.stark.params import Parameters, Report, security
from zisk_actors.stark.proof import PartialProof, Proof, ShareProof, pack_words, unpack
from zisk_actors.stark.statement import Contribution, Digest, Statement, global_challenge, instance_words
from zisk_actors.stark.transcript import Transcript, step_2_logup_challenges


@dataclass(frozen=True)
class Verified:
    """What an accepted proof proves, and how surely."""

    statement: Statement
    parameters: Parameters
    report: Report

    @property
    def bits(self) -> float:
        """Proven bits for this proof's size; meaningless for an insecure parameter set."""
        return self.report.bits


def verify(proof: Proof, vk: VerifyingKey, chip_set: ChipSet, minimum_level: int = 128) -> Verified:
    """Check a whole job's proof. Returns what it proves; raises a subclass of ProofInvalid otherwise.

    ``minimum_level``: bits asked for; 0 also accepts the insecure `test` set.
    """
    rules.check_key(chip_set, vk)
    parameters = vk.parameter_set
    if proof.parameters != vk.parameters:
        raise WrongParameters(f"the proof was not made with parameter set {parameters.name}, which the key asks for")
    if parameters.level < minimum_level:
        why = "is too weak" if parameters.is_secure else "is insecure"
        raise TooWeak(f"parameter set {parameters.name} {why}: {minimum_level} bits are asked for")
    if proof.statement.vk != vk.digest:
        raise WrongProgram("the proof is about another program than the verifying key")
    proof.statement.check()
    rules.check_job(chip_set, vk, proof.contributions)
    challenge = global_challenge(vk.parameters, proof.statement, proof.contributions)
    if [partial.share for partial in proof.partials] != list(range(len(proof.contributions))):
        raise MissingShare("there is not one partial proof for each share, in order")
    total: Ext = (0, 0, 0)
    for contribution, partial in zip(proof.contributions, proof.partials, strict=True):
        for claimed in verify_share(partial, contribution, challenge, vk, chip_set):
            total = ext_add(total, claimed)
    check_balance(total, proof.statement, challenge, vk, chip_set)
    return Verified(proof.statement, parameters, security(parameters, rules.job_shape(chip_set, vk, proof.contributions)))


def verify_share(partial: PartialProof, contribution: Contribution, challenge: Digest, vk: VerifyingKey, chip_set: ChipSet) -> list[Ext]:
    """Check one share's proof against its contribution; its instances' claimed bus sums.

    The contribution is taken as checked by ``rules.check_job`` and covered by ``challenge``.
    """
    layout = Layout(chip_set, vk, contribution.instances)
    parameters = vk.parameter_set
    if partial.challenge != pack_words(np.array(challenge, dtype=np.uint64)):
        raise WrongChallenge(f"share {contribution.share} was proven for another statement or other contributions")
    share, number = unpack(partial, layout, parameters), contribution.share
    bound, roots = step_1_contribution(share, contribution, vk)
    transcript, challenges = step_2_logup_challenges(challenge, number)
    sums = step_3_bus_columns(layout, share, roots, transcript)
    gamma = step_4_quotient(roots, transcript)
    zeta = step_5_openings(number, layout, share, challenges, gamma, transcript)
    deep = step_6_deep_codeword(transcript)
    betas = step_7_fri(share, transcript)
    step_8_grinding(number, share, parameters, transcript)
    step_9_queries(layout, share, parameters, Codeword(zeta, deep, bound, contribution.bindings), betas, transcript)
    return sums


@dataclass(frozen=True)
class Bound:
    """Where the main columns of a share are bound: ``point`` (3,), and ``combiner`` (3,), whose powers combine them."""

    point: U64
    combiner: U64


@dataclass(frozen=True)
class Codeword:
    """What the DEEP codeword is made of beside the columns and their openings. ``bindings``: one for each height."""

    zeta: U64
    challenge: U64
    bound: Bound
    bindings: Sequence[Ext]


def step_1_contribution(share: ShareProof, contribution: Contribution, vk: VerifyingKey) -> tuple[Bound, dict[TreeKind, Digest]]:
    """1. Contribution: the stage-1 root, and where its columns are bound. Gives that, and the roots of all trees."""
    roots = {kind: _root(cap) for kind, cap in share.caps.items()}
    if roots.get(TreeKind.FIXED, (0, 0, 0, 0)) != vk.fixed_root:
        raise WrongRoot(f"share {contribution.share}: the fixed columns are not the key's")
    if roots[TreeKind.MAIN] != contribution.root:
        raise WrongRoot(f"share {contribution.share}: the stage-1 root is not the one that was contributed")
    early = Transcript.of_share(vk.digest, instance_words(contribution.share, contribution.instances), contribution.root)
    return Bound(early.evaluation_point(), early.binding_challenge()), roots


def step_3_bus_columns(layout: Layout, share: ShareProof, roots: dict[TreeKind, Digest], transcript: Transcript) -> list[Ext]:
    """3. Stage 2: bus columns and claimed sums. Gives the sums."""
    sums = [domain.ext_scalar(claimed) for claimed in share.sums]
    for air, claimed in zip(layout.airs, sums, strict=True):
        if not air.aux_width and any(claimed):
            raise BusImbalance(f"chip {air.name} has no bus terms and claims a sum")
    transcript.aux(roots.get(TreeKind.AUX), sums)
    return sums


def step_4_quotient(roots: dict[TreeKind, Digest], transcript: Transcript) -> U64:
    """4. The quotient. Gives gamma."""
    gamma = transcript.constraint_challenge()
    transcript.quotient(roots[TreeKind.QUOTIENT])
    return gamma


def step_5_openings(number: int, layout: Layout, share: ShareProof, challenges: U64, gamma: U64, transcript: Transcript) -> U64:
    """5. Openings out of the domain; the constraints hold there. Gives zeta."""
    zeta = transcript.evaluation_point()
    transcript.openings(share.openings)
    if not constraints_hold(layout, share.openings, share.sums, challenges, gamma, zeta):
        raise QuotientMismatch(f"share {number}: the constraints do not hold at the out-of-domain point")
    return zeta


def step_6_deep_codeword(transcript: Transcript) -> U64:
    """6. DEEP: one codeword for all heights. Gives the challenge whose powers combine the columns; its values are found at the queries."""
    return transcript.deep_challenge()


def step_7_fri(share: ShareProof, transcript: Transcript) -> list[U64]:
    """7. FRI layers and final polynomial. Gives each layer's folding challenge."""
    betas: list[U64] = []
    for cap in share.layers:
        transcript.layer(_root(cap))
        betas.append(transcript.fold_challenge())
    transcript.final(share.final)
    return betas


def step_8_grinding(number: int, share: ShareProof, parameters: Parameters, transcript: Transcript) -> None:
    """8. Grinding. The nonce has its work in it."""
    seed = transcript.grinding_seed()
    word = poseidon2.grinding_words(seed, np.array([share.nonce], dtype=np.uint64), parameters.pow_bits)[0]
    if int(word) & ((1 << parameters.pow_bits) - 1):
        raise GrindingMissing(f"share {number}: the nonce has no proof of work")
    transcript.nonce(share.nonce)


def step_9_queries(
    layout: Layout, share: ShareProof, parameters: Parameters, codeword: Codeword, betas: list[U64], transcript: Transcript
) -> None:
    """9. Queries. What is opened is in its trees, and the layers fold the DEEP codeword to the final polynomial."""
    indices = transcript.query_indices(parameters.queries, layout.log_domain)
    _check_paths(layout, share, indices)
    values = _deep_at_queries(layout, share, indices, codeword)
    leaves = [rows.rows[0].reshape(parameters.queries, -1, 3) for rows in share.layer_rows]
    fri.check_queries(layout.layers, layout.final_log_size, indices, values, leaves, betas, share.final)


def _root(cap: U64) -> Digest:
    a, b, c, d = merkle.root_of_cap(cap).tolist()
    return a, b, c, d


def _tree_indices(indices: U64, log_domain: int, log_height: int) -> U64:
    """A query's entry of the domain as a leaf of a tree that is lower, or higher (fixed columns of absent chips)."""
    if log_height <= log_domain:
        return indices >> np.uint64(log_domain - log_height)
    return indices << np.uint64(log_height - log_domain)


def _check_paths(layout: Layout, share: ShareProof, indices: U64) -> None:
    """Every opened row is in its tree."""
    for kind, opened in share.trees.items():
        shape = layout.trees[kind]
        positions = _tree_indices(indices, layout.log_domain, shape.log_height)
        if not merkle.openings_match(share.caps[kind], shape.log_heights, opened.rows, positions, opened.paths):
            raise PathMismatch(f"a row opened in the {kind.name.lower()} tree is not in it")
    for number, (layer, opened) in enumerate(zip(layout.layers, share.layer_rows, strict=True)):
        positions = indices >> np.uint64(layout.log_domain - layer.tree.log_height)
        if not merkle.openings_match(share.layers[number], layer.tree.log_heights, opened.rows, positions, opened.paths):
            raise PathMismatch(f"a row opened in FRI layer {number} is not in it")


def _deep_at_queries(layout: Layout, share: ShareProof, indices: U64, codeword: Codeword) -> U64:
    """The DEEP codeword at the queries, (q, 3): every height's share of it, lifted to the largest."""
    numerators: list[U64] = []
    denominators: list[U64] = []
    powers = domain.ext_powers(codeword.challenge, layout.batched)
    first, zeta, bound = 0, codeword.zeta, codeword.bound
    for group, binding in zip(layout.groups, codeword.bindings, strict=True):
        entries = indices >> np.uint64(layout.log_domain - group.log_height)
        points = field.ext(fri.points_at(entries, group.log_height, domain.SHIFT))
        count = group.end - group.start + 1
        numerators += _deep_numerators(group, share, powers[first : first + count], bound.combiner, binding)
        first += count
        denominators += [field.sub(points, pole) for pole in (group.point(zeta), group.next_point(zeta), group.point(bound.point))]
    terms = field.ext_mul(np.stack(numerators), field.ext_inverse(np.stack(denominators)))
    return domain.sum_ext(terms, axis=0)


def _deep_numerators(group: Group, share: ShareProof, powers: U64, combiner: U64, binding: Ext) -> tuple[U64, U64, U64]:
    """Sums of factor * (column - value), (q, 3), of what is opened at zeta, at the next row, and at the binding's point.

    ``powers``: (openings of the group + 1, 3), the factors, the binding's last.
    """
    rows = [share.trees[slot.tree].rows[slot.matrix] for slot in group.slots]
    now = np.concatenate(rows, axis=1)
    then = np.zeros((len(now), 0), dtype=np.uint64)
    if group.following:
        then = np.stack([rows[slot][:, column] for slot, column in group.following], axis=1)
    main = np.concatenate([row for slot, row in zip(group.slots, rows, strict=True) if slot.tree is TreeKind.MAIN], axis=1)
    middle = group.start + group.now_count

    def combined(columns: U64, factors: U64) -> U64:
        return domain.sum_ext(field.mul(columns[:, :, None], factors[None]), axis=1)

    def weighted(columns: U64, factors: U64, opened: U64) -> U64:
        return field.sub(combined(columns, factors), domain.sum_ext(field.ext_mul(factors, opened), axis=0))

    tied = field.sub(combined(main, domain.ext_powers(combiner, main.shape[1])), domain.ext_array(binding))
    return (
        weighted(now, powers[: group.now_count], share.openings[group.start : middle]),
        weighted(then, powers[group.now_count : -1], share.openings[middle : group.end]),
        field.ext_mul(tied, powers[-1]),
    )


def check_balance(total: Ext, statement: Statement, challenge: Digest, vk: VerifyingKey, chip_set: ChipSet) -> None:
    """All claimed sums and the statement's own boundary terms cancel; BusImbalance otherwise."""
    challenges = [domain.ext_scalar(value) for value in Transcript.of_job(challenge).logup_challenges()]
    for term in chip_set.boundary(statement, vk):
        if len(term.values) != len(term.bus.fields):
            raise ValueError(f"boundary term on bus {term.bus.name} has {len(term.values)} values")
        fingerprint = ext_add(challenges[0], (term.bus.number, 0, 0))
        for power, value in zip(challenges[1:], term.values, strict=False):
            fingerprint = ext_add(fingerprint, ext_mul(power, (value % P, 0, 0)))
        if not any(fingerprint):
            raise BusImbalance(f"the boundary term on bus {term.bus.name} has fingerprint zero")
        total = ext_add(total, ext_mul((term.times % P, 0, 0), domain.ext_inverse(fingerprint)))
    if any(total):
        raise BusImbalance("the bus sums of all shares and the statement do not cancel")
