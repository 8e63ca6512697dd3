// The interpreter: executes steps, in one of three modes that differ only in what they note down.
#pragma once

#include "machine.hpp"

namespace zk_emu {

enum class Mode {
    run,    // state and times
    count,  // and how many records of each kind there would be
    emit    // and the records
};

constexpr u64 kGap = 1ull << 16, kRefreshGap = 1ull << 32;

// Numbers are part of the ABI; zisk_actors/machine/emulator.py names them.
enum class Stop : u32 {
    limit = 0,
    halt = 1,
    illegal_instruction = 2,
    outside_code = 3,
    misaligned = 4,
    outside_map = 5,
    read_only = 6,
    unsupported_ecall = 7
};

// Executed ops, and records beside the one that each op yields for its own chip. The latter are counted by all modes but `run`.
struct Counts {
    u64 op[OP_COUNT];
    u64 beside[KIND_COUNT];

    // All records, by kind.
    void records(u64* of_kind) const {
        for (unsigned kind = 0; kind < KIND_COUNT; kind++) of_kind[kind] = beside[kind];
        for (unsigned op_ = 1; op_ < OP_COUNT; op_++) of_kind[kKindOf[op_]] += op[op_];
    }
};

// Where records go, by kind. What does not fit is dropped and `overflow` set.
struct Records {
    u8* next[KIND_COUNT];
    u8* end[KIND_COUNT];
    bool overflow;
    alignas(8) u8 dropped[kLargestRecord];

    template <Kind kind>
    Record<kind>* take() {
        u8* record = next[kind];
        if (__builtin_expect(record == end[kind], 0)) {
            overflow = true;
            return reinterpret_cast<Record<kind>*>(dropped);
        }
        next[kind] = record + sizeof(Record<kind>);
        return reinterpret_cast<Record<kind>*>(record);
    }
};

// What the guest prints; null while steps are repeated.
struct Console {
    std::vector<u8> bytes;
    size_t limit;
};

struct Outcome {
    Stop stop;
    u64 value;  // halt: exit code; accesses: byte address; outside_code: the target of a jalr; unsupported_ecall: its number
};

// Runs until `until` steps have been executed since the start, or until the run ends. A step that traps changes nothing.
// `counts` is added to; `records` is used by Mode::emit, `console` by Mode::run.
template <Mode M>
Outcome interpret(const Program& program, Memory& memory, Cpu& cpu, u64 until, Counts& counts, Records* records,
                  Console* console);

extern template Outcome interpret<Mode::run>(const Program&, Memory&, Cpu&, u64, Counts&, Records*, Console*);
extern template Outcome interpret<Mode::count>(const Program&, Memory&, Cpu&, u64, Counts&, Records*, Console*);
extern template Outcome interpret<Mode::emit>(const Program&, Memory&, Cpu&, u64, Counts&, Records*, Console*);

}  // namespace zk_emu
