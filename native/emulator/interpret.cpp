// One handler per op, reached by computed goto. Within a handler: first what may trap, then the accesses in the order of their
// slots (rs1 at t, rs2 at t + 1, memory at t + 2, rd at t + 3), then the record: NOTE with the parts of the step that the handler
// has. The chip's record takes its fields from them by name, and one that it names and no part has does not compile.
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

// The parts of a step, with the names of a record's fields.
struct At {
    u32 pc, npc;
    u64 ts;
};
struct ReadA {
    u64 a, a_prev;
};
struct ReadB {
    u64 b, b_prev;
};
struct WriteC {
    u64 old, old_prev, c;
};
struct Word {
    u64 addr, mem_old, mem_prev, mem_new;
};
struct Refresh {
    u64 addr, value, prev, mid;
};
template <class... Parts>
struct Step : Parts... {};
template <class... Parts>
inline Step<Parts...> step_of(Parts... parts) {
    return {parts...};
}

// A record of a kind that is not the running op's own: any number a step, counted here.
template <Mode M, Kind kind, class Step>
inline void note_beside(const Step& step, Counts& counts, Records* records) {
    if (M == Mode::run) return;
    counts.beside[kind]++;
    if (M == Mode::emit) records->take<kind>()->note(step);
}

// The access at `time` to a cell last accessed at `prev` comes too late: refreshes bring it near. Returns the last one's time.
template <Mode M>
__attribute__((noinline)) u64 bridge(u64 cell, u64 value, u64 prev, u64 time, Counts& counts, Records* records) {
    const u64 near = time - kGap;
    while (prev != near) {
        const u64 mid = near - prev - 1 < kRefreshGap ? near : prev + kRefreshGap;
        note_beside<M, KIND_refresh>(Refresh{cell, value, prev, mid}, counts, records);
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
#define NOTE(name, npc, ...)                                                                                                    \
    do {                                                                                                                        \
        if (M == Mode::emit) records->take<kKindOf[OP_##name]>()->note(step_of(At{pc, static_cast<u32>(npc), t}, __VA_ARGS__)); \
    } while (0)
#define WRITE(value)                                 \
    const u64 c = (value);                           \
    const u64 old = x[row->rd];                      \
    const u64 old_prev = touch(row->rd, old, t + 3); \
    x[row->rd] = c
#define REGISTER_FORM(name, value)                                                        \
    op_##name : {                                                                         \
        const u64 a = x[row->rs1], b = x[row->rs2];                                       \
        const u64 a_prev = touch(row->rs1, a, t);                                         \
        const u64 b_prev = touch(row->rs2, b, t + 1);                                     \
        WRITE(value);                                                                     \
        NOTE(name, pc + 1, ReadA{a, a_prev}, ReadB{b, b_prev}, WriteC{old, old_prev, c}); \
        NEXT(pc + 1);                                                                     \
    }
#define IMMEDIATE_FORM(name, value)                                     \
    op_##name : {                                                       \
        const u64 a = x[row->rs1], b = static_cast<u64>(row->imm);      \
        const u64 a_prev = touch(row->rs1, a, t);                       \
        WRITE(value);                                                   \
        NOTE(name, pc + 1, ReadA{a, a_prev}, WriteC{old, old_prev, c}); \
        NEXT(pc + 1);                                                   \
    }
#define BRANCH(name, condition)                              \
    op_##name : {                                            \
        const u64 a = x[row->rs1], b = x[row->rs2];          \
        const u32 npc = (condition) ? row->npc : pc + 1;     \
        TRAP_IF(npc == kNoRow, Stop::outside_code, 0);       \
        const u64 a_prev = touch(row->rs1, a, t);            \
        const u64 b_prev = touch(row->rs2, b, t + 1);        \
        NOTE(name, npc, ReadA{a, a_prev}, ReadB{b, b_prev}); \
        NEXT(npc);                                           \
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
        NOTE(name, pc + 1, ReadA{a, a_prev}, WriteC{old, old_prev, c}, Word{address, word, prev, word});            \
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
        NOTE(name, pc + 1, ReadA{a, a_prev}, ReadB{b, b_prev}, Word{address, before, prev, words[(address - kBase) >> 3]}); \
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
        NOTE(CONST, npc, WriteC{old, old_prev, c});
        NEXT(npc);
    }
op_JALR:
    {
        const u64 a = x[row->rs1], target = (a + static_cast<u64>(row->imm)) & ~1ull;
        const u32 npc = program.row_at(target);
        TRAP_IF(npc == kNoRow, Stop::outside_code, target);
        const u64 a_prev = touch(row->rs1, a, t);
        WRITE(row->npc);
        NOTE(JALR, npc, ReadA{a, a_prev}, WriteC{old, old_prev, c});
        NEXT(npc);
    }
op_ECALL:
    {
        const u64 a = x[17], b = x[10];
        TRAP_IF(a != kExitCall, Stop::unsupported_ecall, a);
        const u64 a_prev = touch(17, a, t);
        const u64 b_prev = touch(10, b, t + 1);
        NOTE(ECALL, 0, ReadA{a, a_prev}, ReadB{b, b_prev});
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
