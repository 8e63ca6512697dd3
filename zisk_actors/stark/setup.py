"""From a program's fixed columns to its proving key.

Rules: the proving key is all that proving needs beside the traces: it is made
once per program, parameter set and device, and is never sent anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zisk_actors.backends.base import Backend, Matrix, Tree
from zisk_actors.stark import domain
from zisk_actors.stark.chipset import ChipSet
from zisk_actors.stark.field import U64
from zisk_actors.stark.keys import VerifyingKey
from zisk_actors.stark.params import Parameters
from zisk_actors.stark.statement import Digest, InstanceShape


@dataclass(frozen=True)
class ProvingKey:
    """A verifying key with the fixed columns on a device: traces and LDEs by chip number, and their tree (None if empty)."""

    vk: VerifyingKey
    chip_set: ChipSet
    fixed: Mapping[int, Matrix]
    fixed_ldes: Mapping[int, Matrix]
    fixed_tree: Tree | None

    @property
    def parameters(self) -> Parameters:
        """The key's parameter set."""
        return self.vk.parameter_set


def digest_words(digest: U64) -> Digest:
    """A (4,) array as four integers."""
    a, b, c, d = (int(word) for word in digest)
    return a, b, c, d


def setup(
    backend: Backend,
    chip_set: ChipSet,
    parameters: Parameters,
    fixed: Mapping[int, U64],
    *,
    entry: int,
) -> ProvingKey:
    """Extend and commit a program's fixed columns.

    ``fixed``: chip number to (fixed_width, N) in storage order, for exactly the chips that have fixed columns. Raises
    ValueError for missing, extra or misshapen tables.
    """
    expected = [number for number, chip in enumerate(chip_set.chips) if chip.air.fixed_width]
    if sorted(fixed) != expected:
        raise ValueError(f"fixed columns given for chips {sorted(fixed)}, needed for {expected}")
    traces: dict[int, Matrix] = {}
    shapes: list[InstanceShape] = []
    for number in expected:
        chip, values = chip_set.chips[number], fixed[number]
        log_height = domain.log2_exact(values.shape[1])
        if values.shape[0] != chip.air.fixed_width or not chip.min_log_height <= log_height <= chip.max_log_height:
            raise ValueError(f"fixed columns of chip {chip.air.name} have shape {values.shape}")
        traces[number] = backend.upload(values)
        shapes.append(InstanceShape(number, log_height))
    ldes = {number: backend.lde(trace, parameters.log_blowup) for number, trace in traces.items()}
    tree = backend.commit([ldes[number] for number in expected], parameters.cap_log) if expected else None
    vk = VerifyingKey(
        parameters=parameters.number,
        chip_set=chip_set.digest,
        fixed_root=digest_words(tree.root) if tree is not None else (0, 0, 0, 0),
        fixed=tuple(shapes),
        entry=entry,
        memory=chip_set.memory,
    )
    vk.check()
    return ProvingKey(vk, chip_set, traces, ldes, tree)
