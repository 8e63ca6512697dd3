"""What a run yields: its outcome, and the records from which chips fill their tables.

Rules of this file:
* Step k (k = 0, 1, ...) happens at ts = 4 * (k + 1); its accesses at ts + slot: rs1 0, rs2 1, memory 2, rd 3. Initial tokens have time 0.
* A record is what one chip takes of one executed instruction, by the names below. The `*_prev` fields are times after refreshes, so
  time - prev - 1 < 2^16 always holds.

      pc, npc             ROM rows of the instruction and of the next one (0 after the last)
      ts                  its time
      a, a_prev           rs1, and when it was accessed before; likewise b of rs2
      old, old_prev, c    rd before, when it was accessed before, and after
      addr                byte address of the access to memory
      mem_old, mem_prev, mem_new   the word there before, when it was accessed before, and after

  A chip may take other fields and other records, any number a step: refresh takes (addr, value, prev, mid), the cell with that token
  address that holds the value since `prev` and is touched at `mid`.
* Records of an interval are in the order of execution; the concatenation over any cut of a run is the records of the whole run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from zisk_actors.errors import JobFailed
from zisk_actors.machine.isa import U64
from zisk_actors.machine.records import Table

REFRESH: Final = "refresh"  # the kind of records that keep accesses near
FINAL_FIELDS: Final = ("addr", "initial", "final", "ts")

SLOT_A, SLOT_B, SLOT_MEMORY, SLOT_C = 0, 1, 2, 3
GAP: Final = 2**16  # time - prev - 1 of an access is below this
REFRESH_GAP: Final = 2**32  # mid - prev - 1 of a refresh is below this
MAX_STEPS: Final = 2**30


def time_of(step: int) -> int:
    """ts of step `step`."""
    return 4 * (step + 1)


@dataclass(frozen=True, eq=False)
class Events:
    """Records of the steps [start, stop).

    `records`: per chip that takes any, its records, C-contiguous (n,) of the chip's layout or of one that has more fields.
    `final`: None, or for the end of the whole run, uint64 (n, 4), ascending by token address: all 33 registers (ts 0 if never
    accessed) and every memory word that was accessed.
    """

    start: int
    stop: int
    records: dict[str, Table]
    final: U64 | None = None

    def counts(self) -> dict[str, int]:
        """Records per chip."""
        return {name: len(table) for name, table in self.records.items()}


class TrapKind(Enum):
    """Why a run stopped without halting; the value is for messages and scripts."""

    ILLEGAL_INSTRUCTION = "illegal-instruction"
    OUTSIDE_CODE = "jump-outside-code"
    MISALIGNED_JUMP = "misaligned-jump"
    MISALIGNED = "misaligned-access"
    OUTSIDE_MAP = "access-outside-map"
    READ_ONLY = "store-to-read-only"
    UNSUPPORTED_ECALL = "unsupported-ecall"
    STEP_LIMIT = "step-limit"


_WORDING: Final = {
    TrapKind.ILLEGAL_INSTRUCTION: "executes what is no instruction of this machine",
    TrapKind.OUTSIDE_CODE: "jumps to {value:#x}, where there is no code",
    TrapKind.MISALIGNED_JUMP: "jumps to {value:#x}, which is not a multiple of 4",
    TrapKind.MISALIGNED: "accesses {value:#x}, which is not aligned to the access",
    TrapKind.OUTSIDE_MAP: "accesses {value:#x}, which is outside the memory map",
    TrapKind.READ_ONLY: "stores to {value:#x}, which is read-only",
    TrapKind.UNSUPPORTED_ECALL: "makes system call {value}, but only 93 (exit) is supported",
    TrapKind.STEP_LIMIT: "has not halted after {value} steps",
}

_HINT: Final = {
    TrapKind.ILLEGAL_INSTRUCTION: "build the guest for rv64im; a Rust panic or abort() also ends here",
    TrapKind.MISALIGNED: "build the guest with -mstrict-align",
    TrapKind.READ_ONLY: "what is written must lie in RAM: have the linker script place .data, .bss and the stack from 0xa0030000 on",
    TrapKind.STEP_LIMIT: "raise the step limit if the guest is meant to run this long",
}


class GuestTrapped(JobFailed):
    """The guest did something that no proof can show. It fails the job: every other worker would see the same."""

    code = "guest-trapped"

    def __init__(self, trap: Trap) -> None:
        super().__init__(str(trap), hint=trap.hint)
        self.trap = trap


@dataclass(frozen=True)
class Trap:
    """A run that ended without halting.

    `pc`: byte address of the instruction that could not complete (it is not counted as a step). `value`: by kind, the byte address of
    the access, the jump target, the system call's number, the step limit; 0 otherwise.
    """

    kind: TrapKind
    pc: int
    symbol: str
    instruction: str
    value: int
    compressed: bool = False

    def __str__(self) -> str:
        place = f"{self.pc:#x} ({self.symbol})" if self.symbol else f"{self.pc:#x}"
        return f"the guest {_WORDING[self.kind].format(value=self.value)}: `{self.instruction}` at {place}"

    @property
    def hint(self) -> str:
        """What the guest's author can do; "" if there is nothing general to say."""
        code_is_wrong = self.kind in (TrapKind.ILLEGAL_INSTRUCTION, TrapKind.OUTSIDE_CODE, TrapKind.MISALIGNED_JUMP)
        if self.compressed and code_is_wrong:
            return "the ELF is marked as using compressed instructions, which are not supported: build it for rv64im"
        return _HINT.get(self.kind, "")

    def error(self) -> GuestTrapped:
        """The trap as an error to raise."""
        return GuestTrapped(self)


@dataclass(frozen=True, eq=False)
class Run:
    """The outcome of a whole run.

    `steps`: executed instructions, the halting ecall included. `exit_code`: a0 at the halt, 64 bits; 0 if there was none.
    `output`: the 64 public words, uint32 (64,). `console`: what the guest printed, at most `CONSOLE_LIMIT` bytes.
    `counts`: executed instructions per chip, every op chip present.
    """

    steps: int
    exit_code: int
    output: np.ndarray[tuple[int], np.dtype[np.uint32]]
    console: bytes
    trap: Trap | None
    counts: dict[str, int]

    @property
    def final_ts(self) -> int:
        """ts of the halting step."""
        return 4 * self.steps


CONSOLE_LIMIT: Final = 2**20  # bytes kept of what a guest prints
