// What the verifier knows of a chip set and of the protocol's numbers: plain tables, written by the build.
//
// Rules: stark/emit_verifier.py writes the values, from the definitions that everything else reads; air/emit_verifier.py
// writes the evaluators. A chip set is a value, so one core serves the shipped chips and those of tests.
#pragma once

#include "bytes.hpp"

namespace zk {

// The matrices that a chip's cells are in; the quotient's matrix belongs to a height.
enum Part { FIXED, MAIN, AUX, PARTS };
enum { QUOTIENT = PARTS, TREES };

enum class Presence : u8 { optional = 0, every_share = 1, singleton = 2 };

// An extension element in memory.
struct Value {
    u64 words[3];
};

// What an evaluator reads: where the openings of an instance's matrices begin, at zeta and at the next row's point, and the
// values that are no cells. `challenges`: alpha, beta, beta^2, ...
struct Cells {
    const u8* openings;
    u32 now[PARTS], next[PARTS];
    const Value* challenges;
    Value claim, first, last;
};

struct BusUse {
    u8 bus;    // index into the chip set's buses, not the bus's number
    u8 terms;  // interactions with it
};

struct Chip {
    u32 widths[PARTS];       // base columns: an aux column counts three
    u32 next_widths[PARTS];  // those that constraints read at the next row
    const u16* next_columns[PARTS];
    u32 constraints;
    u32 bus_terms;
    u32 arity;  // fields of its widest tuple, 0 without interactions
    u32 bus_count;
    const BusUse* buses;
    Presence presence;
    u8 min_log_height, max_log_height;
    u64 max_job_rows;
    // total = total * gamma^n + sum of gamma^k c_k over its n constraints. scratch: the chip set's many values.
    void (*constraints_at)(const Cells& at, const Value& gamma, Value* scratch, Value* total);
};

// What is claimed, in range: see Statement in stark/statement.py.
struct Statement {
    u64 vk[4];
    u64 outputs[OUTPUT_WORDS];
    u64 exit_code, final_ts;
};

// The verifier's own bus terms go here, one after another.
struct Terms {
    void* sum;
    void (*add)(void* sum, u64 bus, const u64* values, int count, u64 times);
};

// Byte addresses [start, end).
struct Range {
    u64 start, end;
};

struct ChipSet {
    u64 digest[4];
    u32 count;
    const Chip* chips;
    u32 buses;    // how many there are
    u32 scratch;  // values that the longest evaluator needs
    void (*boundary)(const Statement& statement, u64 entry, const Terms& terms);
    u32 range_count;  // of the memory map
    const Range* memory;
};

}  // namespace zk
