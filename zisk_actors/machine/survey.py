"""What a program is made of, before it runs: its map, its instructions by extension and by chip, and what this machine does not run.

Rules of this file:
* Code is what the file's sections say is code; without sections, what its segments say. Words there that are no instruction at all, and
  those by which guests abort (`unimp`, `ebreak`), are nothing to warn of.
* In a file that may hold compressed instructions code is walked by halves, as a processor would; what does not begin at a multiple of 4
  is named as far as it can be. Nothing of this decides what a run does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zisk_actors.machine import elf, extensions, isa
from zisk_actors.machine.elf import Segment
from zisk_actors.machine.isa import INSTRUCTIONS
from zisk_actors.machine.rom import load_program


@dataclass(frozen=True)
class Unsupported:
    """An instruction that ends a run: its byte address, the symbol it belongs to ("" if there is none), its name with its extension."""

    address: int
    symbol: str
    name: str

    def __str__(self) -> str:
        return f"`{self.name}` at {self.address:#x}" + (f" ({self.symbol})" if self.symbol else "")


@dataclass(frozen=True)
class Survey:
    """What there is to say of a program.

    `extensions`, `chips`: instructions in the file by their extension, and by the chip that proves them; most first. `rows`: of the ROM.
    `symbol`: of the entry. `image_words`: of 8 bytes, that are loaded.
    """

    entry: int
    symbol: str
    segments: tuple[Segment, ...]
    rows: int
    image_words: int
    compressed: bool
    extensions: dict[str, int]
    chips: dict[str, int]
    unsupported: tuple[Unsupported, ...]

    @property
    def written_outside_ram(self) -> tuple[Segment, ...]:
        """Segments that the file says are writable, where nothing can be stored."""
        return tuple(segment for segment in self.segments if segment.writable and not segment.in_ram)

    def warnings(self) -> list[str]:
        """What will end a run that comes to it, a sentence each."""
        found = []
        if self.unsupported:
            first, others = self.unsupported[0], len(self.unsupported) - 1
            more = f", and {others} more" if others else ""
            found.append(f"this machine does not run {first}{more}: a run that comes to it has no proof (`zisk program show` lists them)")
        places = [f"[{segment.address:#x}, {segment.end:#x})" for segment in self.written_outside_ram]
        return found + [f"what lies at {place} is writable but not in RAM: a run that stores there has no proof" for place in places]


def survey(data: bytes) -> Survey:
    """Look at an ELF file. Raises `ElfError`."""
    loaded, program = elf.load(data), load_program(data)
    by_extension: Counter[str] = Counter()
    by_chip: Counter[str] = Counter()
    unsupported = []
    found = list(_instructions(loaded))
    kinds = isa.decode(np.array([word for _, word in found], np.uint32)).tolist()
    for (address, word), kind in zip(found, kinds, strict=True):
        if kind >= 0:
            by_extension[INSTRUCTIONS[kind].extension] += 1
            by_chip[INSTRUCTIONS[kind].chip] += 1
        elif word not in isa.TRAPPING and (extension := extensions.extension_of(word)):
            by_extension[extension] += 1
            unsupported.append(Unsupported(address, loaded.symbols.locate(address), extensions.name_of(word)))
    return Survey(
        loaded.entry,
        loaded.symbols.locate(loaded.entry),
        loaded.segments,
        len(program.rom),
        len(program.image),
        loaded.compressed,
        dict(by_extension.most_common()),
        dict(by_chip.most_common()),
        tuple(unsupported),
    )


def _instructions(loaded: elf.Elf) -> Iterator[tuple[int, int]]:
    """Byte addresses and words of the code; of a compressed instruction, the 16 bits that it has."""
    for start, end in loaded.code:
        for segment in loaded.segments:
            if segment.address <= start < segment.end:
                code = segment.data[start - segment.address : end - segment.address]
                yield from _halves(start, code) if loaded.compressed else _words(start, code)


def _words(start: int, code: bytes) -> Iterator[tuple[int, int]]:
    skip = -start % 4
    words = np.frombuffer(code, "<u4", max(0, len(code) - skip) // 4, min(skip, len(code)))
    yield from zip(range(start + skip, start + len(code), 4), words.tolist(), strict=False)


def _halves(start: int, code: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while at + 2 <= len(code):
        half = int.from_bytes(code[at : at + 2], "little")
        size = 4 if half & 3 == 3 else 2
        yield start + at, int.from_bytes(code[at : at + size], "little")
        at += size
