// The numbers of the protocol: which there are. The build writes their values from the Python definitions.
#pragma once

#include "zk/platform.hpp"

namespace zk {

using u8 = uint8_t;
using u16 = uint16_t;

// A parameter set: Parameters in stark/params.py.
struct Parameters {
    u64 number, level;
    u32 log_blowup, queries, pow_bits, cap_log, final_log_degree;
};

// The sizes of a job that proven bits depend on: Shape in stark/params.py.
struct Shape {
    u64 log_rows, columns, constraints, interactions, arity, shares;
};

}  // namespace zk

#include "verifier_constants.hpp"
