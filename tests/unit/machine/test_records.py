"""Layouts of records: what several frames take together, how numpy and C++ lay it out, and how the library says it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.asm import assemble, exit_with
from zisk_actors.backends.build import find_compiler
from zisk_actors.chips import LAYOUTS, RECORDED
from zisk_actors.machine.emit import tables_header
from zisk_actors.machine.emulator import Emulator
from zisk_actors.machine.isa import CHIPS
from zisk_actors.machine.records import Field, Layout, fields, parse
from zisk_actors.machine.rom import load_program


def test_each_field_is_there_once_and_the_widest_come_first() -> None:
    layout = Layout.of("x", [*fields(Field("pc", "u4"), "ts"), *fields("a", Field("pc", "u4")), Field("bytes", "u1", 3)])
    assert [field.name for field in layout.fields] == ["ts", "a", "pc", "bytes"]
    assert layout.dtype.itemsize == 24


def test_two_fields_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"x: .* are two fields of one name"):
        Layout.of("x", [Field("pc"), Field("pc", "u4")])


@pytest.mark.parametrize("wrong", [{"type": "u3"}, {"count": 0}, {"name": "a b"}])
def test_what_is_no_field_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no field of a record"):
        Field(**({"name": "a"} | wrong))  # type: ignore[arg-type]


def test_the_library_writes_what_the_chips_take() -> None:
    with Emulator(load_program(assemble(exit_with(0)))) as machine:
        assert machine.layouts == LAYOUTS == tuple(chip.layout for chip in RECORDED)
        for chip, table in machine.replay(0, 1).records.items():
            assert table.dtype == next(layout.dtype for layout in LAYOUTS if layout.chip == chip)


def test_layouts_are_read_back_from_their_texts() -> None:
    wide = Layout("wide", (Field("words", "u8", 25), Field("kind", "u1")))
    assert parse("\n".join(map(str, (*LAYOUTS, wide)))) == (*LAYOUTS, wide)


def test_every_chip_of_an_instruction_must_have_a_layout() -> None:
    with pytest.raises(ValueError, match="every chip has one layout: of add"):
        tables_header([layout for layout in LAYOUTS if layout.chip != "add"])
    with pytest.raises(ValueError, match="every chip has one layout"):
        tables_header([*LAYOUTS, LAYOUTS[0]])
    assert set(CHIPS) <= {layout.chip for layout in LAYOUTS}


WIDE = Layout.of("wide", [Field("ts"), Field("state", "u8", 25), Field("prev", "u4", 25), Field("bytes", "u1", 3)])
PROGRAM = r"""
#include "machine_tables.hpp"
#include <cstdio>
using namespace zk_emu;
struct Step { uint64_t ts; uint64_t state[25]; uint64_t prev[25]; unsigned bytes[3]; };
int main() {
    Step step = {};
    step.ts = 7;
    for (unsigned i = 0; i < 25; i++) step.state[i] = 1000 + i, step.prev[i] = 2000 + i;
    for (unsigned i = 0; i < 3; i++) step.bytes[i] = 5 + i;
    Record<KIND_wide> record = {};
    record.note(step);
    return fwrite(&record, kRecordBytes[KIND_wide], 1, stdout) != 1;
}
"""


def test_a_record_with_arrays_is_written_by_cpp_as_numpy_reads_it(tmp_path: Path) -> None:
    """The header of a chip that the library does not have: the compiler's own layout, against numpy's."""
    (tmp_path / "machine_tables.hpp").write_text(tables_header([*LAYOUTS, WIDE]))
    (tmp_path / "main.cpp").write_text(PROGRAM)
    command = [*find_compiler().command, "-std=c++17", f"-I{tmp_path}", str(tmp_path / "main.cpp"), "-o", str(tmp_path / "main")]
    subprocess.run(command, check=True)
    written = subprocess.run([str(tmp_path / "main")], check=True, capture_output=True).stdout
    (record,) = np.frombuffer(written, WIDE.dtype)
    assert record["ts"] == 7
    assert record["state"].tolist() == list(range(1000, 1025))
    assert record["prev"].tolist() == list(range(2000, 2025))
    assert record["bytes"].tolist() == [5, 6, 7]
    # A field that the handler does not note is a mistake that the compiler names.
    (tmp_path / "main.cpp").write_text(re.sub(r"uint64_t prev\[25\];|, step.prev\[i\] = 2000 \+ i", "", PROGRAM))
    failed = subprocess.run(command, capture_output=True, text=True)
    assert failed.returncode
    assert "prev" in failed.stderr
