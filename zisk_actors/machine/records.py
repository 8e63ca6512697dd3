"""Layouts of event records: which fields a record has, of which types, declared by the chip that takes them.

Rules of this file:
* A chip's frames say what they take of a step (chips/base.py); its layout is what all of them take together, widest fields first. A
  chip may take arrays, and one whose rows are not one an instruction has records of its own, any number a step (refresh is one).
* numpy and C++ lay a record out alike: fields in order, each at a multiple of its size, the whole at a multiple of the largest
  (machine/emit.py has the compiler compare).
* The native library carries the layouts that it writes as text; `parse` reads them, so that the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Table: TypeAlias = npt.NDArray[np.void]
"""Records (n,), a structured array: the fields are arrays by name."""

C_TYPES: Final = {"u1": "uint8_t", "u2": "uint16_t", "u4": "uint32_t", "u8": "uint64_t"}


@dataclass(frozen=True)
class Field:
    """What a record says. `type`: a key of `C_TYPES`, the bytes of an unsigned integer. `count`: of elements, of an array if not 1."""

    name: str
    type: str = "u8"
    count: int = 1

    def __post_init__(self) -> None:
        if self.type not in C_TYPES or self.count < 1 or not self.name.isidentifier():
            raise ValueError(f"no field of a record: {self}")


def fields(*taken: Field | str) -> tuple[Field, ...]:
    """What a frame takes of a record; a name alone is a field of 64 bits."""
    return tuple(Field(each) if isinstance(each, str) else each for each in taken)


@dataclass(frozen=True)
class Layout:
    """The record of one chip, by its name."""

    chip: str
    fields: tuple[Field, ...]

    @classmethod
    def of(cls, chip: str, taken: Iterable[Field]) -> Layout:
        """What several frames take, each field once. ValueError where two of them mean different fields by one name."""
        named: dict[str, Field] = {}
        for field in taken:
            if named.setdefault(field.name, field) != field:
                raise ValueError(f"{chip}: {field} and {named[field.name]} are two fields of one name")
        return cls(chip, tuple(sorted(named.values(), key=lambda field: -int(field.type[1:]))))

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The structured dtype of one record."""
        fields: list[Any] = [(f.name, f"<{f.type}", (f.count,)) if f.count > 1 else (f.name, f"<{f.type}") for f in self.fields]
        return np.dtype(fields, align=True)

    def __str__(self) -> str:
        return " ".join([self.chip, *(f"{f.name}:{f.type}:{f.count}" for f in self.fields)])


def parse(text: str) -> tuple[Layout, ...]:
    """Layouts from their texts, one a line. ValueError for a line that is none."""
    found = []
    for line in text.splitlines():
        chip, *fields = line.split()
        parts = [field.split(":") for field in fields]
        found.append(Layout(chip, tuple(Field(name, kind, int(count)) for name, kind, count in parts)))
    return tuple(found)
