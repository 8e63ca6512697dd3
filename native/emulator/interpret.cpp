// One handler per op, reached by computed goto. Within a handler: first what may trap, then the accesses in the order of their
// slots (rs1 at t, rs2 at t + 1, memory at t + 2, rd at t + 3), then the record.
#include "interpret.hpp"

#include <string.h>

namespace zk_emu {
namespace {

using i32 = int32_t;
using i128 = __int128;
using u128 = unsigned __int128;

inline u64 sext32(u64 value) { return static_cast<u64>(static_cast<i64>(static_cast<i32>(static_cast<u32>(value)))); }

inline u64 high_signed(u64 a, u64 b) {
    return static_cast<u64>((static_cast<i128>(static_cast<i64>(a)) * static_cast<i64>(b)) >> 64);
}
inline u64 high_mixed(u64 a, u64 b) {
    return static_cast<u64>((static_cast<i128>(static_cast<i64>(a)) * static_cast<i128>(static_cast<u128>(b))) >> 64);
}
inline u64 high_unsigned(u64 a, u64 b) { return static_cast<u64>((static_cast<u128>(a) * b) >> 64); }

// Division as RISC-V defines it: by zero gives -1 and the dividend; the one overflow wraps.
template <typename S>
inline S div_signed(S a, S b) {
    if (b == 0) return -1;
    if (b == -1) return static_cast<S>(0 - static_cast<u64>(a));
    return a / b;
}
template <typename S>
inline S rem_signed(S a, S b) {
    if (b == 0) return a;
    return b == -1 ? 0 : a % b;
}
template <typename U>
inline U div_unsigned(U a, U b) {
    return b == 0 ? static_cast<U>(-1) : a / b;
}
template <typename U>
inline U rem_unsigned(U a, U b) {
    return b == 0 ? a : a % b;
}

// The access at `time` to a cell last accessed at `prev` comes too late: refreshes bring it near. Returns the last one's time.
template <Mode M>
__attribute__((noinline)) u64 bridge(u64 cell, u64 value, u64 prev, u64 time, Counts& counts, Records* records) {
    const u64 near = time - kGap;
    while (prev != near) {
        const u64 mid = near - prev - 1 < kRefreshGap ? near : prev + kRefreshGap;
        counts.refresh++;
        if (M == Mode::emit) {
            if (records->refresh == records->refresh_end) {
                records->overflow = true;
            } else {
                u64* out = records->refresh;
                out[0] = cell, out[1] = value, out[2] = prev, out[3] = mid;
                records->refresh += kRefreshFields;
            }
        }
        prev = mid;
    }
    return near;
}

// Why a load or store at `address` may not be; called only when something is wrong with it.
__attribute__((noinline)) Stop access_fault(const Program& program, const Memory& memory, u64 address, bool store) {
    const u64 offset = address - kBase;
    if (offset >= kSpan) return Stop::outside_map;
    const u8 flags = memory.page_[offset >> kPageBits];
    u64 ignored;
    if ((flags & kRead) == 0 && !((flags & kPartial) != 0 && program.image_at(cell_of(address), &ignored)))
        return Stop::outside_map;
    if (store && (flags & kWrite) == 0) return Stop::read_only;
    return Stop::misaligned;
}

}  // namespace

template <Mode M>
Outcome interpret(const Program& program, Memory& memory, Cpu& cpu, u64 until, Counts& counts, Records* records,
                  Console* console) {
#define ZK_EMU_LABEL(name) &&op_##name,
    static const void* const labels[OP_COUNT] = {ZK_EMU_OPS(ZK_EMU_LABEL)};
#undef ZK_EMU_LABEL
    const Row* const rows = program.rows.data();
    const Row* row = nullptr;
    u8* const data = memory.data_;
    u64* const words = memory.words();
    u64* const times = memory.last_;
    u8* const pages = memory.page_.data();
    u64* const x = cpu.x;
    u64* const last = cpu.last;
    u64 t = 4 * (cpu.step + 1);
    const u64 end = 4 * (until + 1);
    u32 pc = cpu.pc;
    Outcome outcome = {Stop::limit, 0};

    auto touch = [&](unsigned r, u64 value, u64 time) __attribute__((always_inline)) {
        u64 prev = last[r];
        last[r] = time;
        if (M != Mode::run && time - prev - 1 >= kGap) prev = bridge<M>(kRegisterCell + r, value, prev, time, counts, records);
        return prev;
    };
    auto touch_memory = [&](u64 address, u64 value) __attribute__((always_inline)) {
        u64& cell_last = times[(address - kBase) >> 3];
        u64 prev = cell_last;
        cell_last = t + 2;
        if (M != Mode::run && t + 1 - prev >= kGap) prev = bridge<M>(cell_of(address), value, prev, t + 2, counts, records);
        return prev;
    };
    // Whether an access of `size` bytes may happen; marks its page if so. A base of 2^32 or more cannot reach the map: offsets
    // are 12 bits wide and the map ends well below 2^32.
    auto may_access = [&](u64 address, u64 size, u8 need) __attribute__((always_inline)) {
        const u64 offset = address - kBase;
        if (offset >= kSpan || (offset & (size - 1)) != 0) return false;
        u8& flags = pages[offset >> kPageBits];
        u64 ignored;
        if ((flags & need) == 0 && (need == kWrite || (flags & kPartial) == 0 || !program.image_at(cell_of(address), &ignored)))
            return false;
        flags |= kTouched;
        return true;
    };
    auto record = [&](u64 a, u64 a_prev, u64 b, u64 b_prev, u64 old, u64 old_prev, u64 c, u32 npc)
                      __attribute__((always_inline)) {
                          if (M != Mode::emit) return static_cast<u64*>(nullptr);
                          u64* out = records->take(program.chip_of_op[row->op]);
                          out[0] = pc, out[1] = t, out[2] = a, out[3] = a_prev, out[4] = b, out[5] = b_prev, out[6] = old,
                          out[7] = old_prev, out[8] = c;
                          out[9] = out[10] = out[11] = out[12] = 0, out[13] = npc;
                          return out;
                      };
    auto record_access = [&](u64* out, u64 address, u64 before, u64 prev, u64 after) __attribute__((always_inline)) {
        if (M != Mode::emit) return;
        out[9] = address, out[10] = before, out[11] = prev, out[12] = after;
    };

#define FETCH()                  \
    do {                         \
        if (t == end) goto stop; \
        row = &rows[pc];         \
        goto* labels[row->op];   \
    } while (0)
#define NEXT(to)              \
    do {                      \
        counts.op[row->op]++; \
        pc = (to);            \
        t += 4;               \
        FETCH();              \
    } while (0)
#define TRAP_IF(condition, why, what)     \
    if (__builtin_expect(condition, 0)) { \
        outcome = {why, what};            \
        goto stop;                        \
    }
#define WRITE(value)                                 \
    const u64 c = (value);                           \
    const u64 old = x[row->rd];                      \
    const u64 old_prev = touch(row->rd, old, t + 3); \
    x[row->rd] = c
#define REGISTER_FORM(name, value)                              \
    op_##name : {                                               \
        const u64 a = x[row->rs1], b = x[row->rs2];             \
        const u64 a_prev = touch(row->rs1, a, t);               \
        const u64 b_prev = touch(row->rs2, b, t + 1);           \
        WRITE(value);                                           \
        record(a, a_prev, b, b_prev, old, old_prev, c, pc + 1); \
        NEXT(pc + 1);                                           \
    }
#define IMMEDIATE_FORM(name, value)                                \
    op_##name : {                                                  \
        const u64 a = x[row->rs1], b = static_cast<u64>(row->imm); \
        const u64 a_prev = touch(row->rs1, a, t);                  \
        WRITE(value);                                              \
        record(a, a_prev, 0, 0, old, old_prev, c, pc + 1);         \
        NEXT(pc + 1);                                              \
    }
#define BRANCH(name, condition)                          \
    op_##name : {                                        \
        const u64 a = x[row->rs1], b = x[row->rs2];      \
        const u32 npc = (condition) ? row->npc : pc + 1; \
        TRAP_IF(npc == kNoRow, Stop::outside_code, 0);   \
        const u64 a_prev = touch(row->rs1, a, t);        \
        const u64 b_prev = touch(row->rs2, b, t + 1);    \
        record(a, a_prev, b, b_prev, 0, 0, 0, npc);      \
        NEXT(npc);                                       \
    }
#define LOAD(name, type)                                                                                            \
    op_##name : {                                                                                                   \
        const u64 a = x[row->rs1], address = a + static_cast<u64>(row->imm);                                        \
        TRAP_IF(!may_access(address, sizeof(type), kRead), access_fault(program, memory, address, false), address); \
        const u64 a_prev = touch(row->rs1, a, t);                                                                   \
        const u64 word = words[(address - kBase) >> 3];                                                             \
        const u64 prev = touch_memory(address, word);                                                               \
        type value;                                                                                                 \
        memcpy(&value, data + (address - kBase), sizeof value);                                                     \
        WRITE(static_cast<u64>(static_cast<i64>(value)));                                                           \
        record_access(record(a, a_prev, 0, 0, old, old_prev, c, pc + 1), address, word, prev, word);                \
        NEXT(pc + 1);                                                                                               \
    }
#define STORE(name, type, then)                                                                                             \
    op_##name : {                                                                                                           \
        const u64 a = x[row->rs1], b = x[row->rs2], address = a + static_cast<u64>(row->imm);                               \
        TRAP_IF(!may_access(address, sizeof(type), kWrite), access_fault(program, memory, address, true), address);         \
        const u64 a_prev = touch(row->rs1, a, t);                                                                           \
        const u64 b_prev = touch(row->rs2, b, t + 1);                                                                       \
        const u64 before = words[(address - kBase) >> 3];                                                                   \
        const u64 prev = touch_memory(address, before);                                                                     \
        const type value = static_cast<type>(b);                                                                            \
        memcpy(data + (address - kBase), &value, sizeof value);                                                             \
        then;                                                                                                               \
        record_access(record(a, a_prev, b, b_prev, 0, 0, 0, pc + 1), address, before, prev, words[(address - kBase) >> 3]); \
        NEXT(pc + 1);                                                                                                       \
    }
#define SIGNED(value) static_cast<i64>(value)
#define SIGNED32(value) static_cast<i32>(static_cast<u32>(value))
#define UNSIGNED32(value) static_cast<u32>(value)

    FETCH();

op_TRAP:
    {
        outcome.stop = Stop::illegal_instruction;
        goto stop;
    }
op_CONST:
    {
        TRAP_IF(row->npc == kNoRow, Stop::outside_code, 0);
        const u32 npc = row->npc;
        WRITE(static_cast<u64>(row->imm));
        record(0, 0, 0, 0, old, old_prev, c, npc);
        NEXT(npc);
    }
op_JALR:
    {
        const u64 a = x[row->rs1], target = (a + static_cast<u64>(row->imm)) & ~1ull;
        const u32 npc = program.row_at(target);
        TRAP_IF(npc == kNoRow, Stop::outside_code, target);
        const u64 a_prev = touch(row->rs1, a, t);
        WRITE(row->npc);
        record(a, a_prev, 0, 0, old, old_prev, c, npc);
        NEXT(npc);
    }
op_ECALL:
    {
        const u64 a = x[17], b = x[10];
        TRAP_IF(a != kExitCall, Stop::unsupported_ecall, a);
        const u64 a_prev = touch(17, a, t);
        const u64 b_prev = touch(10, b, t + 1);
        record(a, a_prev, b, b_prev, 0, 0, 0, 0);
        outcome = {Stop::halt, b};
        counts.op[row->op]++;
        t += 4;
        goto stop;
    }

    REGISTER_FORM(ADD, a + b)
    IMMEDIATE_FORM(ADDI, a + b)
    REGISTER_FORM(SUB, a - b)
    REGISTER_FORM(SLT, SIGNED(a) < SIGNED(b))
    REGISTER_FORM(SLTU, a < b)
    IMMEDIATE_FORM(SLTI, SIGNED(a) < SIGNED(b))
    IMMEDIATE_FORM(SLTIU, a < b)
    REGISTER_FORM(ADDW, sext32(a + b))
    REGISTER_FORM(SUBW, sext32(a - b))
    IMMEDIATE_FORM(ADDIW, sext32(a + b))
    REGISTER_FORM(AND, a & b)
    REGISTER_FORM(OR, a | b)
    REGISTER_FORM(XOR, a ^ b)
    IMMEDIATE_FORM(ANDI, a & b)
    IMMEDIATE_FORM(ORI, a | b)
    IMMEDIATE_FORM(XORI, a ^ b)
    REGISTER_FORM(SLL, a << (b & 63))
    REGISTER_FORM(SRL, a >> (b & 63))
    REGISTER_FORM(SRA, static_cast<u64>(SIGNED(a) >> (b & 63)))
    IMMEDIATE_FORM(SLLI, a << b)
    IMMEDIATE_FORM(SRLI, a >> b)
    IMMEDIATE_FORM(SRAI, static_cast<u64>(SIGNED(a) >> b))
    REGISTER_FORM(SLLW, sext32(a << (b & 31)))
    REGISTER_FORM(SRLW, sext32(UNSIGNED32(a) >> (b & 31)))
    REGISTER_FORM(SRAW, static_cast<u64>(static_cast<i64>(SIGNED32(a) >> (b & 31))))
    IMMEDIATE_FORM(SLLIW, sext32(a << b))
    IMMEDIATE_FORM(SRLIW, sext32(UNSIGNED32(a) >> b))
    IMMEDIATE_FORM(SRAIW, static_cast<u64>(static_cast<i64>(SIGNED32(a) >> b)))
    BRANCH(BEQ, a == b)
    BRANCH(BNE, a != b)
    BRANCH(BLT, SIGNED(a) < SIGNED(b))
    BRANCH(BGE, SIGNED(a) >= SIGNED(b))
    BRANCH(BLTU, a < b)
    BRANCH(BGEU, a >= b)
    LOAD(LD, u64)
    LOAD(LW, i32)
    LOAD(LWU, u32)
    LOAD(LB, int8_t)
    LOAD(LBU, u8)
    LOAD(LH, int16_t)
    LOAD(LHU, uint16_t)
    STORE(SD, u64, )
    STORE(SW, u32, )
    STORE(SB, u8, {
        if (M == Mode::run && address == kConsole && console != nullptr && console->bytes.size() < console->limit) {
            console->bytes.push_back(value);
        }
    })
    STORE(SH, uint16_t, )
    REGISTER_FORM(MUL, a * b)
    REGISTER_FORM(MULH, high_signed(a, b))
    REGISTER_FORM(MULHSU, high_mixed(a, b))
    REGISTER_FORM(MULHU, high_unsigned(a, b))
    REGISTER_FORM(MULW, sext32(a * b))
    REGISTER_FORM(DIV, static_cast<u64>(div_signed(SIGNED(a), SIGNED(b))))
    REGISTER_FORM(DIVU, div_unsigned(a, b))
    REGISTER_FORM(REM, static_cast<u64>(rem_signed(SIGNED(a), SIGNED(b))))
    REGISTER_FORM(REMU, rem_unsigned(a, b))
    REGISTER_FORM(DIVW, sext32(static_cast<u64>(div_signed(SIGNED32(a), SIGNED32(b)))))
    REGISTER_FORM(DIVUW, sext32(div_unsigned(UNSIGNED32(a), UNSIGNED32(b))))
    REGISTER_FORM(REMW, sext32(static_cast<u64>(rem_signed(SIGNED32(a), SIGNED32(b)))))
    REGISTER_FORM(REMUW, sext32(rem_unsigned(UNSIGNED32(a), UNSIGNED32(b))))

stop:
    cpu.pc = pc;
    cpu.step = t / 4 - 1;
    return outcome;
}

template Outcome interpret<Mode::run>(const Program&, Memory&, Cpu&, u64, Counts&, Records*, Console*);
template Outcome interpret<Mode::count>(const Program&, Memory&, Cpu&, u64, Counts&, Records*, Console*);
template Outcome interpret<Mode::emit>(const Program&, Memory&, Cpu&, u64, Counts&, Records*, Console*);

}  // namespace zk_emu
