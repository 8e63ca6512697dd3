// The emulator's part of the C interface (zk/interface.h). No exception leaves it; arguments are checked.
#include <string.h>

#include <new>
#include <utility>

#include "session.hpp"
#include "zk/interface.h"

using namespace zk_emu;

namespace {

enum Status : int { ok = 0, no_memory = 1, bad_program = 2, out_of_range = 3, bad_capacity = 4 };

constexpr u64 kPrime = 0xffffffff00000001ull;

// A field element that stands for a small signed integer.
i64 signed_element(u64 element) { return static_cast<i64>(element > kPrime / 2 ? element - kPrime : element); }

// fields: op, rd, rs1, rs2, x0, x1, x2, address (machine/rom.py), each `rows` long.
bool decode_rows(u64 rows, const u64* const fields[8], Program* program) {
    program->rows.reserve(rows + 1);
    for (u64 i = 0; i < rows; i++) {
        const u64 op = fields[0][i], rd = fields[1][i], rs1 = fields[2][i], rs2 = fields[3][i];
        const u64 x0 = fields[4][i], x1 = fields[5][i], x2 = fields[6][i], address = fields[7][i];
        if (op >= OP_COUNT || rd >= kRegisters || rs1 >= kRegisters || rs2 >= kRegisters) return false;
        Row row = {static_cast<u8>(op), static_cast<u8>(rd), static_cast<u8>(rs1), static_cast<u8>(rs2), 0, 0};
        if (rd == 0 && kWritesRd[op]) return false;  // x0 stays 0
        u64 target = 0;
        switch (kOperand[op]) {
            case Operand::none:
                break;
            case Operand::value:
                row.imm = static_cast<i64>(x0 | x1 << 32), target = x2;
                break;
            case Operand::limbs:
            case Operand::low_limb:
                row.imm = static_cast<i64>(x0 | x1 << 32);
                break;
            case Operand::power:
                row.imm = static_cast<i64>(x2 & 63);
                break;
            case Operand::power32:
                row.imm = static_cast<i64>(x2 & 31);
                break;
            case Operand::target:
                target = x0;
                break;
            case Operand::offset:
                row.imm = signed_element(x0);
                if (row.imm < -2048 || row.imm > 2047) return false;
                break;
            case Operand::link:
                row.imm = signed_element(x0);
                break;
        }
        row.npc = target < rows ? static_cast<u32>(target) : kNoRow;
        if (kOperand[op] == Operand::link) row.npc = static_cast<u32>(x1);
        program->rows.push_back(row);
        if (program->code.empty() || program->code.back().end != address) {
            program->code.push_back({address, address, static_cast<u32>(i)});
        }
        program->code.back().end += 4;
        if (address % 4 != 0 || (program->code.size() > 1 && program->code.end()[-2].end > program->code.back().start))
            return false;
    }
    program->rows.push_back(Row{OP_TRAP, 0, 0, 0, 0, 0});
    return true;
}

bool take_image(u64 count, const u64* cell, const u64* lo, const u64* hi, Program* program) {
    for (u64 i = 0; i < count; i++) {
        const u64 address = address_of(cell[i]);
        const bool ram = address >= kRamStart && address < kRamEnd;
        const bool code = address >= kInputEnd && address < kCodeEnd;
        if (!(ram || code) || cell_of(address) != cell[i] || (i > 0 && cell[i - 1] >= cell[i])) return false;
        program->image_cell.push_back(cell[i]);
        program->image_value.push_back(lo[i] | hi[i] << 32);
    }
    return true;
}

template <typename F>
int guarded(F body) {
    try {
        return body();
    } catch (const std::bad_alloc&) {
        return no_memory;
    } catch (...) {
        return bad_program;
    }
}

}  // namespace

extern "C" {

const char* zk_emu_ops(void) {
#define ZK_EMU_NAME(name) #name " "
    return ZK_EMU_OPS(ZK_EMU_NAME);
#undef ZK_EMU_NAME
}

const char* zk_emu_records(void) { return kLayouts; }

Session* zk_emu_open(u64 rows, const u64* const* fields, u64 entry, u64 image_words, const u64* image_cell, const u64* image_lo,
                     const u64* image_hi, const u8* input, u64 input_bytes, u64 snapshot_budget, int32_t* status) {
    Session* machine = nullptr;
    *status = guarded([&]() -> int {
        Program program;
        if (rows >= kNoRow || entry >= rows || input_bytes > kInputEnd - kInputData) return bad_program;
        program.entry = static_cast<u32>(entry);
        if (!decode_rows(rows, fields, &program) || !take_image(image_words, image_cell, image_lo, image_hi, &program))
            return bad_program;
        std::unique_ptr<Session> session(new Session(std::move(program), snapshot_budget));
        if (!session->open(input, input_bytes)) return no_memory;
        machine = session.release();
        return ok;
    });
    return machine;
}

void zk_emu_close(Session* machine) { delete machine; }

int zk_emu_run(Session* machine, u64 limit, zk_emu_outcome* outcome) {
    return guarded([&]() -> int {
        const RunState& state = machine->run(limit);
        *outcome = {};
        outcome->stop = static_cast<u64>(state.outcome.stop);
        outcome->value = state.outcome.value;
        outcome->steps = state.cpu.step;
        outcome->pc = state.cpu.pc;
        memcpy(outcome->output, state.output, sizeof outcome->output);
        return ok;
    });
}

u64 zk_emu_console(Session* machine, u8* out, u64 capacity) {
    const std::vector<u8>& bytes = machine->console().bytes;
    if (!bytes.empty() && capacity != 0) memcpy(out, bytes.data(), bytes.size() < capacity ? bytes.size() : capacity);
    return bytes.size();
}

int zk_emu_executed(Session* machine, u64 ops, u64* counts) {
    if (ops != OP_COUNT) return bad_capacity;
    memcpy(counts, machine->state().counts.op, sizeof machine->state().counts.op);
    return ok;
}

int zk_emu_count(Session* machine, u64 start, u64 stop, u64 kinds, u64* counts) {
    return guarded([&]() -> int {
        if (kinds != KIND_COUNT) return bad_capacity;
        Counts found = {};
        if (!machine->count(start, stop, &found)) return out_of_range;
        found.records(counts);
        return ok;
    });
}

int zk_emu_replay(Session* machine, u64 start, u64 stop, u64 kinds, const u64* counts, const u64* bytes, u8* const* tables) {
    return guarded([&]() -> int {
        if (kinds != KIND_COUNT) return bad_capacity;
        Records records = {};
        for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
            if (bytes[kind] != kRecordBytes[kind]) return bad_capacity;
            records.next[kind] = tables[kind];
            records.end[kind] = tables[kind] + counts[kind] * bytes[kind];
        }
        if (!machine->replay(start, stop, &records)) return out_of_range;
        if (records.overflow) return bad_capacity;
        for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
            if (records.next[kind] != records.end[kind]) return bad_capacity;
        }
        return ok;
    });
}

int zk_emu_final(Session* machine, u64* out, u64 capacity, u64* count) {
    return guarded([&]() -> int {
        *count = machine->final_records(out, capacity);
        return ok;
    });
}

}  // extern "C"
