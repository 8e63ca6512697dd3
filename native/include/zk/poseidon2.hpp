// Poseidon2 of width 16 over any field type: the same permutation as zisk_actors/stark/poseidon2.py, which derives the round
// constants (the build writes them into poseidon2_constants.hpp; a caller passes them in, since a GPU keeps them elsewhere).
//
// Rules: a state is 16 field values; sponge tags and layout of the capacity are those of poseidon2.py and of nothing else.
#pragma once

#include "fp3.hpp"

namespace zk {

constexpr int WIDTH = 16, RATE = 12, DIGEST = 4;
constexpr int FULL_ROUNDS = 8, PARTIAL_ROUNDS = 22;

// First word of the capacity: what is hashed.
enum Tag : u64 { TAG_LEAF = 1, TAG_WORDS = 2, TAG_TRANSCRIPT = 3, TAG_NODE = 4, TAG_GRIND = 5 };

struct RoundConstants {
    u64 full[FULL_ROUNDS][WIDTH];
    u64 partial[PARTIAL_ROUNDS];
};

inline namespace ZK_ISA {

template <class F>
ZK_HD F sbox(F x) {
    F x2 = square(x);
    return (x2 * x) * square(x2);
}

// Each group of four through circ(2, 3, 1, 1), then every group gets the sum of all groups.
template <class F>
ZK_HD void external_matrix(F* s) {
    for (int i = 0; i < WIDTH; i += 4) {
        F a = s[i], b = s[i + 1], c = s[i + 2], d = s[i + 3];
        F ab = a + b, cd = c + d, all = ab + cd;
        F all_b = all + b, all_d = all + d;
        s[i] = all_b + ab;
        s[i + 1] = all_b + (c + c);
        s[i + 2] = all_d + cd;
        s[i + 3] = all_d + (a + a);
    }
    for (int k = 0; k < 4; k++) {
        F sum = canonicalise((s[k] + s[k + 4]) + (s[k + 8] + s[k + 12]));
        for (int i = k; i < WIDTH; i += 4) s[i] = add_canonical(s[i], sum);
    }
}

// All ones plus the diagonal -2, 1, 2, 1/2, 3, 4, -1/2, -3, -4, 1/2^3, 1/2^4, 1/2^5, -1/2^3, -1/2^4, -1/2^5, 1/2^32.
template <class F>
ZK_HD void internal_matrix(F* s) {
    F sum = s[0];
    for (int i = 1; i < WIDTH; i++) sum = sum + s[i];
    sum = canonicalise(sum);
    auto plus = [&](F x) { return add_canonical(x, sum); };
    s[0] = plus(s[0] * F::splat(P - 2));
    s[1] = plus(s[1]);
    s[2] = plus(s[2] + s[2]);
    s[3] = plus(over_power_of_two<1>(s[3]));
    s[4] = plus(s[4] + s[4] + s[4]);
    F two = s[5] + s[5];
    s[5] = plus(two + two);
    s[6] = sum - over_power_of_two<1>(s[6]);
    s[7] = sum - (s[7] + s[7] + s[7]);
    two = s[8] + s[8];
    s[8] = sum - (two + two);
    s[9] = plus(over_power_of_two<3>(s[9]));
    s[10] = plus(over_power_of_two<4>(s[10]));
    s[11] = plus(over_power_of_two<5>(s[11]));
    s[12] = sum - over_power_of_two<3>(s[12]);
    s[13] = sum - over_power_of_two<4>(s[13]);
    s[14] = sum - over_power_of_two<5>(s[14]);
    s[15] = plus(over_2_32(s[15]));
}

// One element at a time, both matrices are sums of 128-bit integers, each result reduced once.
ZK_HD Fp reduce_sum(u128 x) {
    u64 low = (u64)x, high = (u64)(x >> 64) * EPSILON, r = low + high;  // the upper word of a sum is far below 2^32
    return {r + ((0 - (u64)(r < high)) & EPSILON)};
}

ZK_HD void external_matrix(Fp* s) {
    u128 mixed[WIDTH];
    for (int i = 0; i < WIDTH; i += 4) {
        u128 a = s[i].v, b = s[i + 1].v, c = s[i + 2].v, d = s[i + 3].v, ab = a + b, cd = c + d, all = ab + cd;
        mixed[i] = all + b + ab;
        mixed[i + 1] = all + b + 2 * c;
        mixed[i + 2] = all + d + cd;
        mixed[i + 3] = all + d + 2 * a;
    }
    for (int k = 0; k < 4; k++) {
        u128 sum = mixed[k] + mixed[k + 4] + mixed[k + 8] + mixed[k + 12];
        for (int i = k; i < WIDTH; i += 4) s[i] = reduce_sum(mixed[i] + sum);
    }
}

ZK_HD void internal_matrix(Fp* s) {
    u128 total = 0;
    for (int i = 0; i < WIDTH; i++) total += s[i].v;
    u64 sum = canonicalise(reduce_sum(total)).v;
    // sum - m x, made positive by m + 1 times p
    auto minus = [&](Fp x, u64 m) { return reduce_sum((u128)P * (m + 1) + sum - (u128)x.v * m); };
    auto plus = [&](Fp x, u64 m) { return reduce_sum((u128)x.v * m + sum); };
    s[0] = minus(s[0], 2);
    s[1] = plus(s[1], 1);
    s[2] = plus(s[2], 2);
    s[3] = plus(over_power_of_two<1>(s[3]), 1);
    s[4] = plus(s[4], 3);
    s[5] = plus(s[5], 4);
    s[6] = minus(over_power_of_two<1>(s[6]), 1);
    s[7] = minus(s[7], 3);
    s[8] = minus(s[8], 4);
    s[9] = plus(over_power_of_two<3>(s[9]), 1);
    s[10] = plus(over_power_of_two<4>(s[10]), 1);
    s[11] = plus(over_power_of_two<5>(s[11]), 1);
    s[12] = minus(over_power_of_two<3>(s[12]), 1);
    s[13] = minus(over_power_of_two<4>(s[13]), 1);
    s[14] = minus(over_power_of_two<5>(s[14]), 1);
    s[15] = plus(over_2_32(s[15]), 1);
}

template <class F>
ZK_HD void full_round(F* s, const u64* constants) {
    for (int i = 0; i < WIDTH; i++) s[i] = sbox(add_canonical(s[i], F::splat(constants[i])));
    external_matrix(s);
}

template <class F>
ZK_HD void permute(F* s, const RoundConstants& constants) {
    external_matrix(s);
    for (int r = 0; r < FULL_ROUNDS / 2; r++) full_round(s, constants.full[r]);
    for (int r = 0; r < PARTIAL_ROUNDS; r++) {
        s[0] = sbox(add_canonical(s[0], F::splat(constants.partial[r])));
        internal_matrix(s);
    }
    for (int r = FULL_ROUNDS / 2; r < FULL_ROUNDS; r++) full_round(s, constants.full[r]);
}

// STATES states, each as by `permute`; vectors have a version of their own in which they go side by side.
template <int STATES, class F>
ZK_HD void permute_all(F (*states)[WIDTH], const RoundConstants& constants) {
    for (int k = 0; k < STATES; k++) permute(states[k], constants);
}

}  // namespace ZK_ISA
}  // namespace zk
