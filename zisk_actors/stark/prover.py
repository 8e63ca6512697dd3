"""The prover: the same numbered steps as ``verifier.py``, from the other side.

Rules: deterministic; the same tables give the same bytes on every backend. All
heavy work is the backend's; what is here is the protocol. ``contribute`` is step
1, ``prove`` the rest; between them lies the global challenge of the whole job.
A share whose state was lost is contributed again and must give the same root.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from zisk_actors.backends.base import Backend, ExtendedTable, Matrix, Tree
from zisk_actors.errors import ProofInvalid
from zisk_actors.stark import domain, field, fri, rules
from zisk_actors.stark.constraints import constraints_hold
from zisk_actors.stark.errors import BadShare, UnsatisfiedTrace
from zisk_actors.stark.field import U64, P
from zisk_actors.stark.layout import Group, Layout, Slot, TreeKind
from zisk_actors.stark.params import FOLD_LOG_ARITY
from zisk_actors.stark.proof import EMPTY, Opened, PartialProof, pack_opened, pack_words
from zisk_actors.stark.setup import ProvingKey, digest_words
from zisk_actors.stark.statement import Contribution, Digest, InstanceShape, instance_words
from zisk_actors.stark.transcript import Transcript

# Called with the name of a step and the part of ``contribute`` or ``prove`` that is done when it begins, 0 to 1. The parts are what
# the steps were measured to take, roughly.
Progress = Callable[[str, float], None]


def _silent(step: str, part: float) -> None:
    pass


@dataclass(frozen=True)
class Table:
    """One filled table: its chip's number and its main trace, (width, N) canonical words in storage order."""

    chip: int
    main: U64


@dataclass
class ShareState:
    """What ``contribute`` leaves for ``prove``. ``prove`` uses it up: the traces are dropped as soon as they are spent."""

    contribution: Contribution
    layout: Layout
    traces: list[Matrix]
    ldes: list[Matrix]
    tree: Tree
    bound_point: U64
    binding: U64
    bound: list[U64]  # per group, values of its main columns at bound_point


def canonical_tables(tables: Sequence[Table]) -> list[Table]:
    """Tables in the order that a share has them: by chip, larger height first."""
    return sorted(tables, key=lambda table: (table.chip, -table.main.shape[1]))


def contribute(backend: Backend, key: ProvingKey, share: int, tables: Sequence[Table], progress: Progress = _silent) -> ShareState:
    """Step 1: commit to a share's tables. BadShare for tables that the chip set does not allow."""
    ordered = canonical_tables(tables)
    instances = tuple(InstanceShape(table.chip, _log_height(table)) for table in ordered)
    try:
        rules.check_share(key.chip_set, key.vk, share, instances)
    except ProofInvalid as error:
        raise BadShare(error.message) from None
    for table in ordered:
        air = key.chip_set.chips[table.chip].air
        if table.main.shape[0] != air.width:
            raise BadShare(f"chip {air.name} has {air.width} columns, the table has {table.main.shape[0]}")
    layout = Layout(key.chip_set, key.vk, instances)

    # 1. Contribution: the stage-1 root, and where its columns are bound.
    progress("extend", 0.0)
    traces = [backend.upload(table.main) for table in ordered]
    ldes = [backend.lde(trace, layout.log_blowup) for trace in traces]
    progress("commit", 0.3)
    tree = backend.commit(ldes, key.parameters.cap_log)
    progress("bind", 0.9)
    root = digest_words(tree.root)
    early = Transcript.of_share(key.vk.digest, instance_words(share, instances), root)
    bound_point, binding = early.evaluation_point(), early.binding_challenge()
    bound = [
        np.concatenate(
            [backend.evaluate(ldes[slot.matrix], layout.log_blowup, None, group.point(bound_point)) for slot in group.main_slots]
        )
        for group in layout.groups
    ]
    bindings = tuple(
        domain.ext_scalar(domain.sum_ext(field.ext_mul(values, domain.ext_powers(binding, len(values))), axis=0)) for values in bound
    )
    contribution = Contribution(share, instances, root, bindings)
    return ShareState(contribution, layout, traces, ldes, tree, bound_point, binding, bound)


def _log_height(table: Table) -> int:
    try:
        return domain.log2_exact(table.main.shape[1])
    except ValueError as error:
        raise BadShare(f"chip number {table.chip}: {error}") from None


def prove(backend: Backend, key: ProvingKey, state: ShareState, challenge: Digest, progress: Progress = _silent) -> PartialProof:
    """Steps 2 to 9: one share's proof for the job's global challenge. Uses up ``state``.

    Raises ZeroDenominator, or UnsatisfiedTrace when a trace does not satisfy its constraints.
    """
    if len(state.traces) != len(state.ldes):
        raise ValueError("this state was used already: contribute again")
    layout, share = state.layout, state.contribution.share
    fixed = [key.fixed[i.chip] if air.fixed_width else None for i, air in zip(layout.instances, layout.airs, strict=True)]
    fixed_ldes = [key.fixed_ldes[i.chip] if air.fixed_width else None for i, air in zip(layout.instances, layout.airs, strict=True)]

    # 2. LogUp challenges, the same for all shares.
    transcript = Transcript.of_job(challenge)
    challenges = transcript.logup_challenges()
    transcript.share(share)

    # 3. Stage 2: bus columns and claimed sums.
    sums = np.zeros((len(layout.airs), 3), dtype=np.uint64)
    aux: list[Matrix | None] = []
    state.traces.reverse()
    for number, air in enumerate(layout.airs):
        progress("buses", 0.25 * number / len(layout.airs))
        trace = state.traces.pop()
        if not air.aux_width:
            aux.append(None)
            continue
        columns, sums[number] = backend.logup(air, trace, fixed[number], challenges)
        del trace
        aux.append(backend.lde(columns, layout.log_blowup))
    committed = [matrix for matrix in aux if matrix is not None]
    progress("commit buses", 0.25)
    aux_tree = backend.commit(committed, key.parameters.cap_log) if committed else None
    transcript.aux(aux_tree.root.tolist() if aux_tree is not None else None, [domain.ext_scalar(claimed) for claimed in sums])

    # 4. The quotient.
    progress("quotient", 0.5)
    gamma = transcript.constraint_challenge()
    tables = [
        ExtendedTable(air, state.ldes[n], fixed_ldes[n], aux[n], _claim(sums[n], 1 << layout.instances[n].log_height))
        for n, air in enumerate(layout.airs)
    ]
    quotient = backend.quotient(tables, layout.log_blowup, challenges, gamma)
    progress("commit quotient", 0.6)
    quotient_tree = backend.commit([quotient], key.parameters.cap_log)
    transcript.quotient(quotient_tree.root.tolist())

    # 5. Openings out of the domain; the constraints hold there.
    progress("openings", 0.75)
    zeta = transcript.evaluation_point()
    by_tree: dict[TreeKind, list[Matrix]] = {
        TreeKind.FIXED: [key.fixed_ldes[shape.chip] for shape in key.vk.fixed],
        TreeKind.MAIN: state.ldes,
        TreeKind.AUX: committed,
        TreeKind.QUOTIENT: [quotient],
    }
    openings = np.concatenate([_openings(backend, group, layout.log_blowup, by_tree, zeta) for group in layout.groups])
    transcript.openings(openings)
    if not constraints_hold(layout, openings, sums, challenges, gamma, zeta):
        raise UnsatisfiedTrace(f"share {share}: a trace does not satisfy its constraints")

    # 6. DEEP: one codeword for all heights.
    progress("fold", 0.8)
    deep = transcript.deep_challenge()
    codeword = _deep_codeword(backend, layout, by_tree, openings, zeta, deep, state)

    # 7. FRI layers and final polynomial.
    layer_trees: list[Tree] = []
    for _ in layout.layers:
        layer_trees.append(backend.commit_codeword(codeword, FOLD_LOG_ARITY, key.parameters.cap_log))
        transcript.layer(layer_trees[-1].root.tolist())
        codeword = backend.fold(codeword, FOLD_LOG_ARITY, transcript.fold_challenge())
    final = fri.final_coefficients(backend.download(codeword), layout.final_degree)
    transcript.final(final)

    # 8. Grinding.
    progress("grind", 0.92)
    nonce = backend.grind(transcript.grinding_seed(), key.parameters.pow_bits)
    transcript.nonce(nonce)

    # 9. Queries.
    progress("queries", 0.98)
    indices = transcript.query_indices(key.parameters.queries, layout.log_domain)
    trees = (key.fixed_tree, state.tree, aux_tree, quotient_tree)
    caps = tuple(pack_words(tree.cap) if tree is not None else b"" for tree in trees)
    opened = tuple(_open(backend, tree, indices, layout.log_domain) for tree in trees)
    return PartialProof(
        share=share,
        challenge=pack_words(np.array(challenge, dtype=np.uint64)),
        caps=(caps[0], caps[1], caps[2], caps[3]),
        sums=pack_words(sums),
        openings=pack_words(openings),
        layers=tuple(pack_words(tree.cap) for tree in layer_trees),
        final=pack_words(final),
        nonce=nonce,
        trees=(opened[0], opened[1], opened[2], opened[3]),
        layer_rows=tuple(_open(backend, tree, indices, layout.log_domain) for tree in layer_trees),
    )


def _claim(claimed: U64, height: int) -> U64:
    """The CLAIM leaf: claimed sum over height."""
    return field.ext_scale(claimed, np.uint64(pow(height, P - 2, P)))


def _matrix(slot: Slot, by_tree: dict[TreeKind, list[Matrix]]) -> Matrix:
    return by_tree[slot.tree][slot.matrix]


def _openings(backend: Backend, group: Group, log_blowup: int, by_tree: dict[TreeKind, list[Matrix]], zeta: U64) -> U64:
    """All openings of one height, (count, 3), in the layout's order."""
    point, following = group.point(zeta), group.next_point(zeta)
    parts = [backend.evaluate(_matrix(slot, by_tree), log_blowup, None, point) for slot in group.slots]
    parts += [backend.evaluate(_matrix(slot, by_tree), log_blowup, slot.following, following) for slot in group.slots if slot.following]
    return np.concatenate(parts)


def _deep_codeword(
    backend: Backend, layout: Layout, by_tree: dict[TreeKind, list[Matrix]], openings: U64, zeta: U64, challenge: U64, state: ShareState
) -> Matrix:
    """The DEEP codeword: each height's openings at zeta and at the next row, and its binding, under powers that run on.

    From the lowest height up: what is below is lifted and takes the powers that follow this height's.
    """
    below: Matrix | None = None
    for group, bound in zip(reversed(layout.groups), reversed(state.bound), strict=True):
        middle, count = group.start + group.now_count, group.end - group.start
        ldes = [_matrix(slot, by_tree) for slot in group.slots]
        point, following, bound_point = group.point(zeta), group.next_point(zeta), group.point(state.bound_point)
        opened = backend.deep(
            ldes, openings[group.start : middle], group.following, openings[middle : group.end], point, following, challenge
        )
        main = [_matrix(slot, by_tree) for slot in group.main_slots]
        tied = backend.deep(main, bound, (), np.zeros((0, 3), dtype=np.uint64), bound_point, bound_point, state.binding)
        codeword = backend.add_scaled(opened, tied, field.ext_power(challenge, count))
        if below is not None:
            codeword = backend.add_scaled(codeword, below, field.ext_power(challenge, count + 1))
        below = codeword
    assert below is not None, "a share has at least one height"
    return below


def _open(backend: Backend, tree: Tree | None, indices: U64, log_domain: int) -> Opened:
    """A tree at the queries; trees of other heights than the domain's are entered at the matching leaf."""
    if tree is None:
        return EMPTY
    shift = log_domain - tree.log_height
    positions = indices >> np.uint64(shift) if shift >= 0 else indices << np.uint64(-shift)
    opening = backend.open(tree, positions)
    return pack_opened(opening.rows, opening.paths)
