"""Which jobs are allowed: the checks on a proof's list of instances, before any arithmetic.

Rules: everything that an argument over the buses takes for granted about the
tables is enforced here: known chips, allowed heights, canonical order, how
often a chip occurs, how many rows a job may have, that no multiplicity can wrap
around the modulus, and that the job is one that its parameter set keeps its level
for. One error class per rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from zisk_actors.errors import ProofInvalid
from zisk_actors.stark.chipset import ChipSet, Presence
from zisk_actors.stark.errors import (
    BadContribution,
    HeightNotAllowed,
    NotInOrder,
    TooManyRows,
    UnknownChip,
    WrongChipSet,
    WrongCount,
    WrongMemoryMap,
)
from zisk_actors.stark.field import P
from zisk_actors.stark.keys import VerifyingKey
from zisk_actors.stark.layout import Layout
from zisk_actors.stark.params import Shape, check_size
from zisk_actors.stark.statement import MAX_SHARES, Contribution, InstanceShape, canonical_order, heights, is_digest

# More tables than any share needs; it bounds a verifier's work before it has read anything else.
MAX_INSTANCES = 1024


def check_key(chip_set: ChipSet, vk: VerifyingKey) -> None:
    """The key is well formed, for this chip set and its memory map, and fixes exactly the chips with fixed columns, at allowed heights."""
    vk.check()
    if vk.chip_set != chip_set.digest:
        raise WrongChipSet("the verifying key was made for another set of chips")
    if vk.memory != chip_set.memory:
        ranges = ", ".join(f"[{start:#x}, {end:#x})" for start, end in vk.memory) or "nothing"
        raise WrongMemoryMap(f"the verifying key was made for a machine with other memory: {ranges}")
    expected = [number for number, chip in enumerate(chip_set.chips) if chip.air.fixed_width]
    if [shape.chip for shape in vk.fixed] != expected:
        raise WrongChipSet("the verifying key does not fix the chips that have fixed columns")
    for shape in vk.fixed:
        chip = chip_set.chips[shape.chip]
        if not chip.min_log_height <= shape.log_height <= chip.max_log_height:
            raise HeightNotAllowed(f"the key's height 2^{shape.log_height} is outside the bounds of chip {chip.air.name}")


def check_share(chip_set: ChipSet, vk: VerifyingKey, share: int, instances: Sequence[InstanceShape]) -> None:
    """The instances of one share: known chips, heights, order, and how often they occur in a share."""
    if not 1 <= len(instances) <= MAX_INSTANCES:
        raise BadContribution(f"share {share} has {len(instances)} instances, not 1 to {MAX_INSTANCES}")
    for instance in instances:
        if not 0 <= instance.chip < len(chip_set.chips):
            raise UnknownChip(f"share {share} has an instance of chip number {instance.chip}, which does not exist")
        chip = chip_set.chips[instance.chip]
        if not chip.min_log_height <= instance.log_height <= chip.max_log_height:
            raise HeightNotAllowed(f"share {share}: height 2^{instance.log_height} is outside the bounds of chip {chip.air.name}")
        if chip.air.fixed_width and instance.log_height != vk.fixed_log_height(instance.chip):
            raise HeightNotAllowed(f"share {share}: chip {chip.air.name} has not the height of its fixed columns")
    if not canonical_order(instances):
        raise NotInOrder(f"the instances of share {share} are not in canonical order")
    counts = Counter(instance.chip for instance in instances)
    for number, chip in enumerate(chip_set.chips):
        name = chip.air.name
        if chip.presence is Presence.EVERY_SHARE and counts[number] != 1:
            raise WrongCount(f"share {share} has {counts[number]} instances of chip {name}, not exactly one")
        if chip.presence is Presence.SINGLETON and counts[number] != (1 if share == 0 else 0):
            raise WrongCount(f"share {share} has {counts[number]} instances of chip {name}, which belongs once into share 0")


def _check_contribution(chip_set: ChipSet, vk: VerifyingKey, number: int, contribution: Contribution) -> None:
    """What share ``number`` contributes is its own, well formed and allowed."""
    if contribution.share != number:
        raise BadContribution(f"share {contribution.share} stands where share {number} belongs")
    check_share(chip_set, vk, number, contribution.instances)
    if not is_digest(contribution.root):
        raise BadContribution(f"the root of share {number} is not four field elements")
    if len(contribution.bindings) != len(heights(contribution.instances)):
        raise BadContribution(f"share {number} has not one binding value per height")
    if any(not 0 <= word < P for value in contribution.bindings for word in value):
        raise BadContribution(f"a binding of share {number} is not three field elements")


def check_job(chip_set: ChipSet, vk: VerifyingKey, contributions: Sequence[Contribution]) -> None:
    """All shares of a job, in order, each allowed; row bounds and multiplicities over the whole job. An error of one share names it."""
    if not 1 <= len(contributions) <= MAX_SHARES:
        raise BadContribution(f"a job has 1 to {MAX_SHARES} shares, not {len(contributions)}")
    rows: Counter[int] = Counter()
    for number, contribution in enumerate(contributions):
        try:
            _check_contribution(chip_set, vk, number, contribution)
        except ProofInvalid as error:
            error.share = number
            raise
        for instance in contribution.instances:
            rows[instance.chip] += 1 << instance.log_height
    weights: Counter[int] = Counter()
    for number, count in rows.items():
        chip = chip_set.chips[number]
        if count > chip.max_job_rows:
            raise TooManyRows(f"chip {chip.air.name} has {count} rows in the job, more than {chip.max_job_rows}")
        for term in chip.air.bus_terms:
            weights[term.bus.number] += count
    # One per interaction and row, and room for the boundary's few terms.
    if any(weight + 2**16 >= P for weight in weights.values()):
        raise TooManyRows("so many rows that a multiplicity could wrap around the modulus")
    if vk.parameter_set.is_secure:
        check_size(job_shape(chip_set, vk, contributions))


def job_shape(chip_set: ChipSet, vk: VerifyingKey, contributions: Sequence[Contribution]) -> Shape:
    """The sizes that the security level depends on, of contributions whose instances are allowed."""
    layouts = {contribution.instances: Layout(chip_set, vk, contribution.instances) for contribution in contributions}
    airs = {instance.chip: chip_set.chips[instance.chip].air for instances in layouts for instance in instances}
    constraints = [sum(len(air.all_constraints) for air in layout.airs) for layout in layouts.values()]
    interactions = sum(len(airs[i.chip].bus_terms) << i.log_height for contribution in contributions for i in contribution.instances)
    return Shape(
        log_rows=max(instance.log_height for instances in layouts for instance in instances),
        columns=max(layout.batched for layout in layouts.values()),
        constraints=max(*constraints, 1),
        interactions=max(interactions, 1),
        arity=max((len(term.values) for air in airs.values() for term in air.bus_terms), default=1),
        shares=len(contributions),
    )
