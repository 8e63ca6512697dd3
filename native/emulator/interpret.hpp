// The interpreter: executes steps, in one of three modes that differ only in what they note down.
#pragma once

#include "machine.hpp"

namespace zk_emu {

enum class Mode {
    run,    // state and times
    count,  // and how many records of each kind there would be
    emit    // and the records
};

constexpr unsigned kFields = 14, kRefreshFields = 4;
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

struct Counts {
    u64 op[OP_COUNT];
    u64 refresh;
};

// Where records go. What does not fit is dropped and `overflow` set.
struct Records {
    u64* next[kMaxChips];
    u64* end[kMaxChips];
    u64* refresh;
    u64* refresh_end;
    bool overflow;
    u64 dropped[kFields];

    u64* take(u8 chip) {
        if (next[chip] == end[chip]) {
            overflow = true;
            return dropped;
        }
        u64* record = next[chip];
        next[chip] += kFields;
        return record;
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
