"""The native emulator: the whole run at full speed, then the event records of any interval of it.

Rules of this file:
* It answers as machine/reference.py does, word for word (tests/conformance/test_emulators.py).
* All sizes are checked or allocated here, before C sees them. C holds copies of everything, so nothing here must outlive a call.
* Calls release the interpreter lock; a lock of the emulator's own keeps two threads out of one machine.
* The first run leaves snapshots (native/emulator/session.hpp); a replay starts from the nearest. Replaying intervals in order is
  cheapest. Virtual memory of 4 GiB is reserved per emulator; resident is what the guest touches, and the snapshots.
"""

from __future__ import annotations

import threading
import weakref
from types import TracebackType
from typing import Final

import numpy as np

from zisk_actors import memory, native
from zisk_actors.errors import UsageError, ZiskError
from zisk_actors.machine import layout, records
from zisk_actors.machine.events import CONSOLE_LIMIT, FINAL_FIELDS, MAX_STEPS, Events, Run, Trap, TrapKind
from zisk_actors.machine.isa import CHIP_OF_OP, CHIPS, U64, Op
from zisk_actors.machine.rom import Program

SNAPSHOT_BYTES: Final = 2**29  # what snapshots may take by default
SLICE: Final = 2**26  # steps in one call of C: well under a second, so that an interrupt is heard

_ROM_FIELDS = ("op", "rd", "rs1", "rs2", "x0", "x1", "x2", "address")
# `enum class Stop` of native/emulator/interpret.hpp.
_LIMIT, _HALT = 0, 1
_TRAPS = {
    2: TrapKind.ILLEGAL_INSTRUCTION,
    3: TrapKind.OUTSIDE_CODE,
    4: TrapKind.MISALIGNED,
    5: TrapKind.OUTSIDE_MAP,
    6: TrapKind.READ_ONLY,
    7: TrapKind.UNSUPPORTED_ECALL,
}
_STATUS = {1: "no memory", 2: "the program is not of this machine", 3: "no such steps", 4: "wrong capacity"}


class InputTooLarge(UsageError):
    """The input does not fit into the guest's memory map."""

    code = "input-too-large"


class EmulatorFailed(ZiskError):
    """The machine could not be set up here: usually no memory."""

    code = "emulator-failed"


def _library() -> native.Library:
    """The native library, whose instructions must be those of isa.py; raises `NativeUnavailable`."""
    library = native.load()
    if library.zk_emu_ops().split() != [op.name for op in Op]:
        hint = "run `python -m zisk_actors.backends.build`"
        raise native.NativeUnavailable("the native library is of another version: its instructions differ", hint=hint)
    return library


class Emulator:
    """One program with one input. A context manager; `close` gives the memory back, and so does dropping the last reference.

    `layouts`: of the records that it writes, which are what the chips took when the library was built. `input_bytes`: the bytes of the
    input file. `snapshot_bytes`: bound of what snapshots take; with less, replays start further back.
    Raises `NativeUnavailable`, `InputTooLarge`, `EmulatorFailed`.
    """

    def __init__(self, program: Program, input_bytes: bytes = b"", *, snapshot_bytes: int = SNAPSHOT_BYTES) -> None:
        if len(input_bytes) > layout.MAX_INPUT:
            raise InputTooLarge(f"the input has {len(input_bytes)} bytes; a guest can read at most {layout.MAX_INPUT}")
        self.program = program
        self._input = bytes(input_bytes)
        self._snapshot_bytes = snapshot_bytes
        self._library = _library()
        self.layouts = records.parse(self._library.zk_emu_records())
        self._lock = threading.Lock()
        self._open()

    def _open(self) -> None:
        """A machine at step 0."""
        rom, image = self.program.rom, self.program.image
        columns = [np.ascontiguousarray(getattr(rom, name), np.uint64) for name in _ROM_FIELDS]
        words = [np.ascontiguousarray(column, np.uint64) for column in (image.addr, image.lo, image.hi)]
        status = np.zeros(1, np.int32)
        machine = self._library.zk_emu_open(
            len(rom),
            columns,
            self.program.entry,
            len(image),
            *words,
            self._input,
            len(self._input),
            self._snapshot_bytes,
            status,
        )
        _check(int(status[0]))
        self._machine: int = machine
        self._finalizer = weakref.finalize(self, self._library.zk_emu_close, machine)
        self._outcome = self._library.record("zk_emu_outcome")

    def _handle(self) -> int:
        """The machine in C. ValueError once it is gone."""
        if not self._finalizer.alive:
            raise ValueError("the emulator is closed")
        return self._machine

    def close(self) -> None:
        """Give the memory back. Calls after this raise ValueError."""
        with self._lock:
            self._finalizer()

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def run(self, max_steps: int = MAX_STEPS) -> Run:
        """The whole run from the start, to its halt, a trap or the limit of steps. A second call costs nothing."""
        with self._lock:
            if self._outcome.steps > max_steps:
                self._finalizer()
                self._open()
            self._advance(max_steps)
            return self._run(max_steps)

    def count(self, start: int, stop: int) -> dict[str, int]:
        """How many records the steps [start, stop) yield, per chip that takes any. ValueError outside the run."""
        with self._lock:
            counts = self._count(start, stop)
        return {layout.chip: int(count) for layout, count in zip(self.layouts, counts, strict=True)}

    def replay(self, start: int, stop: int, final: bool = False) -> Events:
        """Records of the steps [start, stop), and the final records of the whole run if asked for. ValueError outside the run."""
        with self._lock:
            counts = self._count(start, stop)
            tables = [memory.records(int(n), each.dtype) for n, each in zip(counts, self.layouts, strict=True)]
            sizes = np.array([table.itemsize for table in tables], np.uint64)
            to_fill = [table.view(np.uint8) for table in tables]
            _check(self._library.zk_emu_replay(self._handle(), start, stop, len(tables), counts, sizes, to_fill))
            by_chip = {each.chip: table for each, table in zip(self.layouts, tables, strict=True)}
            return Events(start, stop, by_chip, self._final() if final else None)

    def _advance(self, limit: int) -> None:
        """Go on with the run until its end or the limit."""
        while True:
            until = min(self._outcome.steps + SLICE, limit)
            _check(self._library.zk_emu_run(self._handle(), until, self._outcome))
            if self._outcome.stop != _LIMIT or self._outcome.steps >= limit:
                return

    def _run(self, max_steps: int) -> Run:
        outcome = self._outcome
        console = np.empty(CONSOLE_LIMIT, np.uint8)
        printed = self._library.zk_emu_console(self._handle(), console, CONSOLE_LIMIT)
        output = np.frombuffer(bytes(outcome.output), "<u4").astype(np.uint32)
        executed = np.zeros(len(Op), np.uint64)
        _check(self._library.zk_emu_executed(self._handle(), len(Op), executed))
        counts = dict.fromkeys(CHIPS, 0)
        for op in list(Op)[1:]:
            counts[CHIP_OF_OP[op]] += int(executed[op])
        exit_code = outcome.value if outcome.stop == _HALT else 0
        return Run(outcome.steps, exit_code, output, console[:printed].tobytes(), self._trap(max_steps), counts)

    def _trap(self, max_steps: int) -> Trap | None:
        stop, value, row = self._outcome.stop, self._outcome.value, self._outcome.pc
        if stop == _HALT:
            return None
        kind = _TRAPS.get(stop, TrapKind.STEP_LIMIT)
        if kind is TrapKind.STEP_LIMIT:
            value = max_steps
        if kind is TrapKind.OUTSIDE_CODE:
            value = value if self.program.rom.op[row] == Op.JALR else self.program.target(row)
            kind = TrapKind.MISALIGNED_JUMP if value % 4 else kind
        address = int(self.program.rom.address[row])
        return Trap(kind, address, self.program.location(row), self.program.disassemble(row), value, self.program.compressed)

    def _count(self, start: int, stop: int) -> U64:
        if not 0 <= start <= stop < 2**62:
            raise ValueError(f"no interval: [{start}, {stop})")
        if self._outcome.steps < stop:
            self._advance(stop)
        if self._outcome.steps < stop:
            raise ValueError(f"the run has only {self._outcome.steps} steps")
        counts = np.zeros(len(self.layouts), np.uint64)
        _check(self._library.zk_emu_count(self._handle(), start, stop, len(counts), counts))
        return counts

    def _final(self) -> U64:
        self._advance(MAX_STEPS)
        if self._outcome.stop != _HALT:
            raise ValueError(f"the run does not halt within {MAX_STEPS} steps: it has no final records")
        count = np.zeros(1, np.uint64)
        _check(self._library.zk_emu_final(self._handle(), None, 0, count))
        table = np.empty((int(count[0]), len(FINAL_FIELDS)), np.uint64)
        _check(self._library.zk_emu_final(self._handle(), table, len(table), count))
        return table


def _check(status: int) -> None:
    if status:
        raise EmulatorFailed(f"the native emulator failed: {_STATUS.get(status, f'status {status}')}")
