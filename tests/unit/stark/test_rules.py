"""Jobs that are not allowed: one test per rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest

from tests import toy
from zisk_actors.air.air import Air
from zisk_actors.air.bus import Bus, send
from zisk_actors.stark import params, rules
from zisk_actors.stark.chipset import Chip, ChipSet
from zisk_actors.stark.errors import (
    BadContribution,
    HeightNotAllowed,
    NotInOrder,
    TooManyRows,
    TooWeak,
    UnknownChip,
    WrongChipSet,
    WrongCount,
    WrongMemoryMap,
)
from zisk_actors.stark.field import P
from zisk_actors.stark.keys import BadKey
from zisk_actors.stark.layout import Layout
from zisk_actors.stark.statement import InstanceShape

FIB, TABLE = InstanceShape(0, 6), InstanceShape(2, 7)


def square(log_height: int) -> InstanceShape:
    return InstanceShape(1, log_height)


@pytest.mark.parametrize(
    ("share", "instances", "error"),
    [
        (0, [], BadContribution),
        (0, [FIB, *[square(6)] * rules.MAX_INSTANCES, TABLE], BadContribution),
        (0, [FIB, TABLE, InstanceShape(3, 6)], UnknownChip),
        (0, [InstanceShape(-1, 6), FIB, TABLE], UnknownChip),
        (0, [InstanceShape(0, 7), TABLE], HeightNotAllowed),
        (0, [FIB, square(5), TABLE], HeightNotAllowed),
        (0, [FIB, square(23), TABLE], HeightNotAllowed),
        (0, [FIB, square(-1), TABLE], HeightNotAllowed),
        (0, [FIB, InstanceShape(2, 8)], HeightNotAllowed),  # not the height of its fixed columns
        (0, [TABLE, FIB], NotInOrder),
        (0, [FIB, square(6), square(7), TABLE], NotInOrder),
        (0, [TABLE], WrongCount),  # no singleton
        (0, [FIB, FIB, TABLE], WrongCount),
        (1, [FIB, TABLE], WrongCount),  # the singleton in another share
        (1, [square(6)], WrongCount),  # no table
        (1, [TABLE, TABLE], WrongCount),
    ],
)
def test_shares_that_are_not_allowed(share: int, instances: Sequence[InstanceShape], error: type[Exception]):
    with pytest.raises(error):
        rules.check_share(toy.CHIPS, toy.honest().key.vk, share, instances)


def test_allowed_shares():
    vk = toy.honest().key.vk
    rules.check_share(toy.CHIPS, vk, 0, [FIB, TABLE])
    rules.check_share(toy.CHIPS, vk, 1, [square(8), square(8), square(6), TABLE])


def test_jobs_that_are_not_allowed():
    job = toy.honest()
    first, second = job.contributions

    def refused(error: type[Exception], *contributions: object) -> None:
        with pytest.raises(error):
            rules.check_job(toy.CHIPS, job.key.vk, contributions)  # type: ignore[arg-type]

    change = msgspec.structs.replace
    rules.check_job(toy.CHIPS, job.key.vk, (first, second))
    refused(BadContribution)
    refused(BadContribution, second, first)
    refused(BadContribution, first, first)
    refused(BadContribution, second)
    with pytest.raises(BadContribution, match="share 2 stands where share 1 belongs") as caught:
        rules.check_job(toy.CHIPS, job.key.vk, (first, change(second, share=2)))
    assert caught.value.share == 1
    refused(BadContribution, first, change(second, root=(0, 0, 0, P)))
    refused(BadContribution, first, change(second, root=(0, 0, 0, -1)))
    refused(BadContribution, first, change(second, bindings=second.bindings[:-1]))
    refused(BadContribution, first, change(second, bindings=(*second.bindings[:-1], (0, P, 0))))
    huge = change(second, instances=(square(10), square(10), TABLE), bindings=second.bindings)
    refused(TooManyRows, first, huge)


def test_each_share_of_a_job_has_to_be_allowed():
    job = toy.honest()
    first, second = job.contributions
    wrong: list[tuple[Sequence[InstanceShape], type[Exception]]] = [
        ((*second.instances, InstanceShape(3, 6)), UnknownChip),
        ((FIB, *second.instances), WrongCount),
        (second.instances[::-1], NotInOrder),
        ((square(5), TABLE), HeightNotAllowed),
        ((), BadContribution),
    ]
    for instances, error in wrong:
        with pytest.raises(error) as refused:
            rules.check_job(toy.CHIPS, job.key.vk, (first, msgspec.structs.replace(second, instances=tuple(instances))))
        assert refused.value.share == 1  # type: ignore[attr-defined]


def test_multiplicities_must_not_wrap():
    job = toy.honest()
    fib, squares, table = toy.CHIPS.chips
    unbounded = ChipSet((fib, replace(squares, max_job_rows=P - 1), table), toy.boundary)
    many = tuple(square(22) for _ in range(1000))
    contributions = []
    for share in range(4):
        instances = (*([FIB] if share == 0 else []), *many, TABLE)
        contributions.append(msgspec.structs.replace(job.contributions[0], share=share, instances=instances))
    # 4 * 1000 * 2^22 rows are fine; a field as small as that would not be.
    short = [msgspec.structs.replace(c, bindings=((0, 0, 0),) * len({i.log_height for i in c.instances})) for c in contributions]
    rules.check_job(unbounded, job.key.vk, short)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "P", 2**34)
        with pytest.raises(TooManyRows):
            rules.check_job(unbounded, job.key.vk, short)


def test_the_size_of_a_job_is_summed_up_in_integers():
    job = toy.honest()
    shape = rules.job_shape(toy.CHIPS, job.key.vk, job.contributions)
    layout = Layout(toy.CHIPS, job.key.vk, job.contributions[0].instances)
    assert (shape.log_rows, shape.shares, shape.arity) == (8, 2, 2)
    assert shape.columns == layout.batched
    assert shape.constraints == sum(len(air.all_constraints) for air in layout.airs)
    terms = [(toy.FIB, 1 << 6), (toy.SQUARES, (1 << 8) + 3 * (1 << 6)), (toy.TABLE, 2 << 7)]
    assert shape.interactions == sum(len(air.bus_terms) * rows for air, rows in terms)


@pytest.mark.parametrize("size", ["log_rows", "columns", "constraints", "interactions", "arity", "shares"])
def test_a_secure_set_refuses_a_job_larger_than_it_keeps_its_level_for(size: str, monkeypatch: pytest.MonkeyPatch):
    job = toy.honest()
    secure = msgspec.structs.replace(job.key.vk, parameters=params.LEVEL_128.number)
    rules.check_job(toy.CHIPS, secure, job.contributions)
    actual = getattr(rules.job_shape(toy.CHIPS, secure, job.contributions), size)
    monkeypatch.setattr(params, "LARGEST", replace(params.LARGEST, **{size: actual}))
    rules.check_job(toy.CHIPS, secure, job.contributions)
    monkeypatch.setattr(params, "LARGEST", replace(params.LARGEST, **{size: actual - 1}))
    with pytest.raises(TooWeak):
        rules.check_job(toy.CHIPS, secure, job.contributions)


def test_keys_for_other_chips():
    vk = toy.honest().key.vk
    rules.check_key(toy.CHIPS, vk)
    for change in ({"chip_set": (1, 2, 3, 4)}, {"fixed": ()}, {"fixed": (InstanceShape(1, 6),)}):
        with pytest.raises(WrongChipSet):
            rules.check_key(toy.CHIPS, msgspec.structs.replace(vk, **change))
    with pytest.raises(BadKey):
        rules.check_key(toy.CHIPS, msgspec.structs.replace(vk, parameters=77))
    fib, squares, table = toy.CHIPS.chips
    low = ChipSet((fib, squares, replace(table, max_log_height=6)), toy.boundary, toy.CHIPS.memory)
    with pytest.raises(HeightNotAllowed):
        rules.check_key(low, msgspec.structs.replace(vk, chip_set=low.digest))


@pytest.mark.parametrize("memory", [(), ((0, 65),), ((0, 64), (64, 65)), ((1, 64),)])
def test_keys_for_another_memory_map(memory: tuple[tuple[int, int], ...]):
    vk = toy.honest().key.vk
    with pytest.raises(WrongMemoryMap):
        rules.check_key(toy.CHIPS, msgspec.structs.replace(vk, memory=memory))


def test_every_rule_is_in_the_digest_of_the_chip_set():
    fib, squares, table = toy.CHIPS.chips
    sets = [
        (fib, squares, table),
        (squares, fib, table),
        (fib, squares),
        (fib, replace(squares, presence=table.presence), table),
        (fib, replace(squares, min_log_height=7), table),
        (fib, replace(squares, max_log_height=21), table),
        (fib, replace(squares, max_job_rows=2**11), table),
    ]
    assert len({ChipSet(chips, toy.boundary).digest for chips in sets}) == len(sets)
    assert toy.CHIPS.number("table") == 2
    with pytest.raises(KeyError):
        toy.CHIPS.number("nothing")


def test_impossible_chips():
    for change in ({"min_log_height": 4}, {"max_log_height": 23}, {"min_log_height": 9, "max_log_height": 8}, {"max_job_rows": 0}):
        with pytest.raises(ValueError):
            Chip(toy.FIB, **change)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        ChipSet((Chip(toy.FIB), Chip(toy.FIB)), toy.boundary)


def test_a_bus_number_has_one_arity():
    """Otherwise (x) and (x, 0) would have the same fingerprint."""
    wider = Bus("wider", toy.OUT.number, ("value", "more"), "a wider bus with the number of another one")
    other = Air("other", toy.FibRow, toy.FIB.constraints, lambda w: iter([send(wider, w.row.a, w.row.b)]))
    with pytest.raises(ValueError, match="bus number"):
        ChipSet((Chip(toy.FIB), Chip(other)), toy.boundary)
