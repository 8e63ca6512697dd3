"""The header that the native emulator is compiled with: the instruction table's ops and operands, and the records that chips take.

Rules of this file: nothing is said here that isa.py and the layouts do not say. backends/build.py writes the text to machine_tables.hpp
in the build folder, where native/emulator/machine.hpp includes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zisk_actors.machine.isa import CHIP_OF_OP, CHIPS, OPERAND_OF_OP, WRITES_RD, Op, Operand
from zisk_actors.machine.records import C_TYPES, Layout


def tables_header(layouts: Sequence[Layout]) -> str:
    """machine_tables.hpp. `layouts`: of all kinds of records, in order; those of chips of instructions among them.

    ValueError where a chip of isa.py has none.
    """
    names = [layout.chip for layout in layouts]
    missing = sorted(set(CHIPS) - set(names))
    if missing or len(set(names)) != len(names):
        raise ValueError(f"every chip has one layout: of {', '.join(missing or names)}")
    return "\n".join(
        [
            "// Written by zisk_actors/machine/emit.py from machine/isa.py and the records that chips take.",
            "#pragma once",
            "",
            "#include <stddef.h>",
            "#include <stdint.h>",
            "",
            "namespace zk_emu {",
            "",
            "// An op's number is its place.",
            f"#define ZK_EMU_OPS(X) {' '.join(f'X({op.name})' for op in Op)}",
            f"enum Op : uint8_t {{ {', '.join(f'OP_{op.name}' for op in Op)}, OP_COUNT }};",
            "",
            "// What x0, x1, x2 of an op's rows are.",
            "enum class Operand : uint8_t {",
            *(f"    {operand.name.lower()},  // {operand.value}" for operand in Operand),
            "};",
            *_per_op("Operand", "kOperand", [f"Operand::{operand.name.lower()}" for operand in OPERAND_OF_OP]),
            *_per_op("bool", "kWritesRd", ["true" if writes else "false" for writes in WRITES_RD]),
            "",
            "// A kind of records is a chip that takes some.",
            f"enum Kind : uint8_t {{ {', '.join(f'KIND_{name}' for name in names)}, KIND_COUNT }};",
            *_per_op("Kind", "kKindOf", [f"KIND_{chip}" if chip else "KIND_COUNT" for chip in CHIP_OF_OP]),
            "",
            "template <Kind kind>",
            "struct Record;",
            *(line for layout in layouts for line in _record(layout)),
            "",
            f"constexpr size_t kRecordBytes[KIND_COUNT] = {{{', '.join(f'sizeof(Record<KIND_{name}>)' for name in names)}}};",
            f"constexpr size_t kLargestRecord = {max(layout.dtype.itemsize for layout in layouts)};",
            "",
            "// The layouts, for who reads the records.",
            "constexpr char kLayouts[] =",
            *(f'    "{layout}\\n"' for layout in layouts),
            "    ;",
            "",
            "}  // namespace zk_emu",
            "",
        ]
    )


def _per_op(kind: str, name: str, values: Sequence[str]) -> Iterator[str]:
    yield f"constexpr {kind} {name}[OP_COUNT] = {{{', '.join(values)}}};"


def _record(layout: Layout) -> Iterator[str]:
    """The struct of one kind of records, which notes of a step what it has fields for."""
    dtype = layout.dtype
    yield ""
    yield "template <>"
    yield f"struct Record<KIND_{layout.chip}> {{"
    for field in layout.fields:
        yield f"    {C_TYPES[field.type]} {field.name}{f'[{field.count}]' if field.count > 1 else ''};"
    yield "    template <class Step>"
    yield "    void note(const Step& step) {"
    for field in layout.fields:
        value = f"static_cast<{C_TYPES[field.type]}>(step.{field.name}{'[i]' if field.count > 1 else ''})"
        if field.count > 1:
            yield f"        for (unsigned i = 0; i < {field.count}; i++) {field.name}[i] = {value};"
        else:
            yield f"        {field.name} = {value};"
    yield "    }"
    yield "};"
    assert dtype.fields is not None
    record = f"Record<KIND_{layout.chip}>"
    same = [f"sizeof({record}) == {dtype.itemsize}", *(f"offsetof({record}, {name}) == {at[1]}" for name, at in dtype.fields.items())]
    yield f'static_assert({" && ".join(same)}, "as numpy lays it out");'
