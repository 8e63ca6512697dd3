"""The prover: the same numbered steps as ``verifier.py``, under the same names, from the other side.

Rules: deterministic; the same tables give the same bytes on every backend. All heavy work is the backend's; what is here is the
protocol (docs/protocol.md). ``contribute`` is step 1, ``prove`` the rest; between them lies the global challenge of the whole job.
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
from zisk_actors.stark.layout import Group, Layout, TreeKind
from zisk_actors.stark.params import FOLD_LOG_ARITY
from zisk_actors.stark.proof import EMPTY, Opened, PartialProof, pack_opened, pack_words
from zisk_actors.stark.setup import ProvingKey, digest_words
from zisk_actors.stark.statement import Contribution, Digest, InstanceShape, instance_words
from zisk_actors.stark.transcript import Transcript, step_2_logup_challenges

# Called with the name of a step and the part of ``contribute`` or ``prove`` that is done when it begins, 0 to 1. The parts are what
# the steps were measured to take, roughly.
Progress = Callable[[str, float], None]
# The extended columns of a share, by the tree that they are committed in.
Columns = dict[TreeKind, list[Matrix]]


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
    return step_1_contribution(backend, key, share, Layout(key.chip_set, key.vk, instances), ordered, progress)


def step_1_contribution(
    backend: Backend, key: ProvingKey, share: int, layout: Layout, ordered: Sequence[Table], progress: Progress
) -> ShareState:
    """1. Contribution: the stage-1 root, and where its columns are bound."""
    instances = layout.instances
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
    transcript, challenges = step_2_logup_challenges(challenge, share)
    buses = step_3_bus_columns(backend, key, state, transcript, challenges, progress)
    progress("quotient", 0.5)
    gamma, quotient, quotient_tree = step_4_quotient(backend, key, state, buses, transcript, challenges, progress)
    progress("openings", 0.75)
    columns: Columns = {
        TreeKind.FIXED: [key.fixed_ldes[shape.chip] for shape in key.vk.fixed],
        TreeKind.MAIN: state.ldes,
        TreeKind.AUX: [matrix for matrix in buses.columns if matrix is not None],
        TreeKind.QUOTIENT: [quotient],
    }
    zeta, openings = step_5_openings(backend, state, columns, buses.sums, challenges, gamma, transcript)
    progress("fold", 0.8)
    codeword = step_6_deep_codeword(backend, state, columns, openings, zeta, transcript)
    layer_trees, final = step_7_fri(backend, key, layout, codeword, transcript)
    progress("grind", 0.92)
    nonce = step_8_grinding(backend, key, transcript)
    progress("queries", 0.98)
    trees = (key.fixed_tree, state.tree, buses.tree, quotient_tree)
    opened, layer_rows = step_9_queries(backend, key, layout, trees, layer_trees, transcript)
    caps = tuple(pack_words(tree.cap) if tree is not None else b"" for tree in trees)
    return PartialProof(
        share=share,
        challenge=pack_words(np.array(challenge, dtype=np.uint64)),
        caps=(caps[0], caps[1], caps[2], caps[3]),
        sums=pack_words(buses.sums),
        openings=pack_words(openings),
        layers=tuple(pack_words(tree.cap) for tree in layer_trees),
        final=pack_words(final),
        nonce=nonce,
        trees=(opened[0], opened[1], opened[2], opened[3]),
        layer_rows=tuple(layer_rows),
    )


@dataclass(frozen=True)
class Buses:
    """Stage 2 of a share. ``columns``: extended, None for a chip without bus terms; ``sums``: (instances, 3); ``tree``: over these."""

    columns: list[Matrix | None]
    sums: U64
    tree: Tree | None


def step_3_bus_columns(
    backend: Backend, key: ProvingKey, state: ShareState, transcript: Transcript, challenges: U64, progress: Progress
) -> Buses:
    """3. Stage 2: bus columns and claimed sums. The traces are spent."""
    layout = state.layout
    sums = np.zeros((len(layout.airs), 3), dtype=np.uint64)
    extended: list[Matrix | None] = []
    state.traces.reverse()
    for number, (instance, air) in enumerate(zip(layout.instances, layout.airs, strict=True)):
        progress("buses", 0.25 * number / len(layout.airs))
        trace = state.traces.pop()
        if not air.aux_width:
            extended.append(None)
            continue
        fixed = key.fixed[instance.chip] if air.fixed_width else None
        columns, sums[number] = backend.logup(air, trace, fixed, challenges)
        del trace
        extended.append(backend.lde(columns, layout.log_blowup))
    progress("commit buses", 0.25)
    committed = [matrix for matrix in extended if matrix is not None]
    tree = backend.commit(committed, key.parameters.cap_log) if committed else None
    transcript.aux(tree.root.tolist() if tree is not None else None, [domain.ext_scalar(claimed) for claimed in sums])
    return Buses(extended, sums, tree)


def step_4_quotient(
    backend: Backend, key: ProvingKey, state: ShareState, buses: Buses, transcript: Transcript, challenges: U64, progress: Progress
) -> tuple[U64, Matrix, Tree]:
    """4. The quotient. Gives gamma, its columns, and the tree over them."""
    layout = state.layout
    gamma = transcript.constraint_challenge()
    tables = [
        ExtendedTable(
            air,
            state.ldes[n],
            key.fixed_ldes[instance.chip] if air.fixed_width else None,
            buses.columns[n],
            _claim(buses.sums[n], 1 << instance.log_height),
        )
        for n, (instance, air) in enumerate(zip(layout.instances, layout.airs, strict=True))
    ]
    quotient = backend.quotient(tables, layout.log_blowup, challenges, gamma)
    progress("commit quotient", 0.6)
    tree = backend.commit([quotient], key.parameters.cap_log)
    transcript.quotient(tree.root.tolist())
    return gamma, quotient, tree


def step_5_openings(
    backend: Backend, state: ShareState, columns: Columns, sums: U64, challenges: U64, gamma: U64, transcript: Transcript
) -> tuple[U64, U64]:
    """5. Openings out of the domain; the constraints hold there. Gives zeta, and all openings (count, 3) in the layout's order."""
    layout = state.layout
    zeta = transcript.evaluation_point()
    openings = np.concatenate([_openings(backend, group, layout.log_blowup, columns, zeta) for group in layout.groups])
    transcript.openings(openings)
    if not constraints_hold(layout, openings, sums, challenges, gamma, zeta):
        raise UnsatisfiedTrace(f"share {state.contribution.share}: a trace does not satisfy its constraints")
    return zeta, openings


def step_6_deep_codeword(backend: Backend, state: ShareState, columns: Columns, openings: U64, zeta: U64, transcript: Transcript) -> Matrix:
    """6. DEEP: one codeword for all heights. Each height's openings at zeta and at the next row, and its binding, under powers that run on.

    From the lowest height up: what is below is lifted and takes the powers that follow this height's.
    """
    challenge = transcript.deep_challenge()
    below: Matrix | None = None
    for group, bound in zip(reversed(state.layout.groups), reversed(state.bound), strict=True):
        middle, count = group.start + group.now_count, group.end - group.start
        ldes = [columns[slot.tree][slot.matrix] for slot in group.slots]
        point, following, bound_point = group.point(zeta), group.next_point(zeta), group.point(state.bound_point)
        opened = backend.deep(
            ldes, openings[group.start : middle], group.following, openings[middle : group.end], point, following, challenge
        )
        main = [columns[slot.tree][slot.matrix] for slot in group.main_slots]
        tied = backend.deep(main, bound, (), np.zeros((0, 3), dtype=np.uint64), bound_point, bound_point, state.binding)
        codeword = backend.add_scaled(opened, tied, field.ext_power(challenge, count))
        if below is not None:
            codeword = backend.add_scaled(codeword, below, field.ext_power(challenge, count + 1))
        below = codeword
    assert below is not None, "a share has at least one height"
    return below


def step_7_fri(backend: Backend, key: ProvingKey, layout: Layout, codeword: Matrix, transcript: Transcript) -> tuple[list[Tree], U64]:
    """7. FRI layers and final polynomial. Gives the layers' trees, and the coefficients (final_degree, 3)."""
    trees: list[Tree] = []
    for _ in layout.layers:
        trees.append(backend.commit_codeword(codeword, FOLD_LOG_ARITY, key.parameters.cap_log))
        transcript.layer(trees[-1].root.tolist())
        codeword = backend.fold(codeword, FOLD_LOG_ARITY, transcript.fold_challenge())
    final = fri.final_coefficients(backend.download(codeword), layout.final_degree)
    transcript.final(final)
    return trees, final


def step_8_grinding(backend: Backend, key: ProvingKey, transcript: Transcript) -> int:
    """8. Grinding. Gives the nonce."""
    nonce = backend.grind(transcript.grinding_seed(), key.parameters.pow_bits)
    transcript.nonce(nonce)
    return nonce


def step_9_queries(
    backend: Backend, key: ProvingKey, layout: Layout, trees: Sequence[Tree | None], layer_trees: Sequence[Tree], transcript: Transcript
) -> tuple[list[Opened], list[Opened]]:
    """9. Queries. Gives what is opened of the trees, and of the layers' trees."""
    indices = transcript.query_indices(key.parameters.queries, layout.log_domain)
    opened = [[_open(backend, tree, indices, layout.log_domain) for tree in each] for each in (trees, layer_trees)]
    return opened[0], opened[1]


def _claim(claimed: U64, height: int) -> U64:
    """The CLAIM leaf: claimed sum over height."""
    return field.ext_scale(claimed, np.uint64(pow(height, P - 2, P)))


def _openings(backend: Backend, group: Group, log_blowup: int, columns: Columns, zeta: U64) -> U64:
    """All openings of one height, (count, 3), in the layout's order."""
    point, following = group.point(zeta), group.next_point(zeta)
    matrices = [columns[slot.tree][slot.matrix] for slot in group.slots]
    parts = [backend.evaluate(matrix, log_blowup, None, point) for matrix in matrices]
    parts += [
        backend.evaluate(matrix, log_blowup, slot.following, following)
        for slot, matrix in zip(group.slots, matrices, strict=True)
        if slot.following
    ]
    return np.concatenate(parts)


def _open(backend: Backend, tree: Tree | None, indices: U64, log_domain: int) -> Opened:
    """A tree at the queries; trees of other heights than the domain's are entered at the matching leaf."""
    if tree is None:
        return EMPTY
    shift = log_domain - tree.log_height
    positions = indices >> np.uint64(shift) if shift >= 0 else indices << np.uint64(-shift)
    opening = backend.open(tree, positions)
    return pack_opened(opening.rows, opening.paths)
