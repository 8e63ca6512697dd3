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

bool writes_rd(u8 op) {
    return op != OP_TRAP && op != OP_ECALL && !(op >= OP_BEQ && op <= OP_BGEU) && !(op >= OP_SD && op <= OP_SH);
}

// fields: op, rd, rs1, rs2, x0, x1, x2, address (machine/rom.py), each `rows` long.
bool decode_rows(u64 rows, const u64* const fields[8], Program* program) {
    program->rows.reserve(rows + 1);
    for (u64 i = 0; i < rows; i++) {
        const u64 op = fields[0][i], rd = fields[1][i], rs1 = fields[2][i], rs2 = fields[3][i];
        const u64 x0 = fields[4][i], x1 = fields[5][i], x2 = fields[6][i], address = fields[7][i];
        if (op >= OP_COUNT || rd >= kRegisters || rs1 >= kRegisters || rs2 >= kRegisters) return false;
        Row row = {static_cast<u8>(op), static_cast<u8>(rd), static_cast<u8>(rs1), static_cast<u8>(rs2), 0, 0};
        if (rd == 0 && writes_rd(row.op)) return false;  // x0 stays 0
        u64 target = 0;
        switch (op) {
            case OP_CONST:
                row.imm = static_cast<i64>(x0 | x1 << 32), target = x2;
                break;
            case OP_ADDI:
            case OP_SLTI:
            case OP_SLTIU:
            case OP_ANDI:
            case OP_ORI:
            case OP_XORI:
            case OP_ADDIW:
                row.imm = static_cast<i64>(x0 | x1 << 32);
                break;
            case OP_SLLI:
            case OP_SRLI:
            case OP_SRAI:
                row.imm = static_cast<i64>(x2 & 63);
                break;
            case OP_SLLIW:
            case OP_SRLIW:
            case OP_SRAIW:
                row.imm = static_cast<i64>(x2 & 31);
                break;
            case OP_BEQ:
            case OP_BNE:
            case OP_BLT:
            case OP_BGE:
            case OP_BLTU:
            case OP_BGEU:
                target = x0;
                break;
            case OP_JALR:
                row.imm = signed_element(x0);
                break;
            case OP_LD:
            case OP_LW:
            case OP_LWU:
            case OP_LB:
            case OP_LBU:
            case OP_LH:
            case OP_LHU:
            case OP_SD:
            case OP_SW:
            case OP_SB:
            case OP_SH:
                row.imm = signed_element(x0);
                if (row.imm < -2048 || row.imm > 2047) return false;
                break;
            default:
                break;
        }
        row.npc = op == OP_JALR ? static_cast<u32>(x1) : target < rows ? static_cast<u32>(target) : kNoRow;
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

static_assert(OP_COUNT <= sizeof zk_emu_outcome().op_counts / sizeof(u64), "op_counts has room for every op");

const char* zk_emu_ops(void) {
#define ZK_EMU_NAME(name) #name " "
    return ZK_EMU_OPS(ZK_EMU_NAME);
#undef ZK_EMU_NAME
}

Session* zk_emu_open(u64 rows, const u64* const* fields, u64 entry, u64 image_words, const u64* image_cell, const u64* image_lo,
                     const u64* image_hi, const u8* input, u64 input_bytes, u64 ops, const u8* chip_of_op, u64 chips,
                     u64 snapshot_budget, int32_t* status) {
    Session* machine = nullptr;
    *status = guarded([&]() -> int {
        Program program;
        if (rows >= kNoRow || entry >= rows || ops != OP_COUNT || chips > kMaxChips || input_bytes > kInputEnd - kInputData)
            return bad_program;
        for (unsigned op = 0; op < OP_COUNT; op++) {
            if (chip_of_op[op] >= chips) return bad_program;
            program.chip_of_op[op] = chip_of_op[op];
        }
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
        memcpy(outcome->op_counts, state.counts.op, sizeof state.counts.op);
        return ok;
    });
}

u64 zk_emu_console(Session* machine, u8* out, u64 capacity) {
    const std::vector<u8>& bytes = machine->console().bytes;
    if (!bytes.empty() && capacity != 0) memcpy(out, bytes.data(), bytes.size() < capacity ? bytes.size() : capacity);
    return bytes.size();
}

int zk_emu_count(Session* machine, u64 start, u64 stop, u64 chips, u64* counts) {
    return guarded([&]() -> int {
        Session& session = *machine;
        Counts found = {};
        if (!session.count(start, stop, &found)) return out_of_range;
        memset(counts, 0, (chips + 1) * sizeof *counts);
        for (unsigned op = 1; op < OP_COUNT; op++) {
            if (session.program().chip_of_op[op] >= chips) return bad_capacity;
            counts[session.program().chip_of_op[op]] += found.op[op];
        }
        counts[chips] = found.refresh;
        return ok;
    });
}

int zk_emu_replay(Session* machine, u64 start, u64 stop, u64 chips, const u64* counts, u64* const* out, u64* refreshes) {
    return guarded([&]() -> int {
        if (chips > kMaxChips) return bad_capacity;
        Records records = {};
        for (u64 chip = 0; chip < chips; chip++) {
            records.next[chip] = out[chip];
            records.end[chip] = out[chip] + counts[chip] * kFields;
        }
        records.refresh = refreshes;
        records.refresh_end = refreshes + counts[chips] * kRefreshFields;
        if (!machine->replay(start, stop, &records)) return out_of_range;
        if (records.overflow || records.refresh != records.refresh_end) return bad_capacity;
        for (u64 chip = 0; chip < chips; chip++) {
            if (records.next[chip] != records.end[chip]) return bad_capacity;
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
