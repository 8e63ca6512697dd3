// Plain 64-bit integers, one lane, for cpu/poseidon2_pairs.hpp. A machine without a carry flag (ours, RISC-V) permutes pairs in
// fewer instructions than 128-bit sums.
#pragma once

#include "zk/fp3.hpp"

namespace zk {
inline namespace ZK_ISA {

using Vector = Fp;

ZK_HD u64 plus(u64 a, u64 b) { return a + b; }
ZK_HD u64 minus(u64 a, u64 b) { return a - b; }
ZK_HD u64 both_bits(u64 a, u64 b) { return a & b; }
ZK_HD u64 low_half(u64 a) { return (u32)a; }
ZK_HD u64 upper(u64 a) { return a >> 32; }
ZK_HD u64 multiply_low(u64 a, u64 b) { return low_half(a) * low_half(b); }
ZK_HD u64 add_small(u64 a, u64 b) { return add_canonical(Fp{a}, Fp{b}).v; }
template <int K>
ZK_HD u64 shift_left(u64 a) {
    return a << K;
}
template <int K>
ZK_HD u64 shift_right(u64 a) {
    return a >> K;
}
template <int K>
ZK_HD u64 shift_right_signed(u64 a) {
    return (u64)((int64_t)a >> K);
}

// a b as a pair, of one product of 128 bits.
ZK_HD void product_pair(u64 a, u64 b, u64& lo, u64& hi) {
    u128 x = (u128)a * b;
    u64 low = (u64)x, top = (u64)(x >> 64), middle = low_half(top);
    lo = low_half(low) - (middle + (top >> 32));
    hi = (low >> 32) + middle;
}

}  // namespace ZK_ISA
}  // namespace zk

#define ZK_PRODUCT_PAIR
#include "cpu/poseidon2_pairs.hpp"
