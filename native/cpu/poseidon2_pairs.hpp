// Poseidon2 on a vector of states, with linear layers that do not reduce: the same words as zk/poseidon2.hpp in half the time.
//
// Rules: between S-boxes an element is a pair of signed 64-bit lanes (lo, hi) that stands for lo + 2^32 hi. The product that ends
// an S-box leaves such a pair for fewer instructions than a reduced word, additions and small multiples are plain integer
// operations on both, and only the input of the next S-box is brought back to one word. Bounds, with |x| for max(|lo|, |hi|):
// * an S-box gives |x| < 2^34; the external matrix has row sums 35, so |x| < 2^40 after it;
// * `normalise` gives 0 <= lo < 2^32 and |hi| < 2^33, for any |x| < 2^61;
// * in internal rounds the sum is normalised; elements that are divided stay below 2^36, those multiplied by up to 4 grow by
//   two bits a round and are normalised every eleven rounds (below 2^57), the one divided by 2^32 grows as Fibonacci's numbers
//   (below 2^58 in 22 rounds from 2^40).
// An S-box is one chain of some sixty instructions that wait for each other, and a processor looks ahead over hardly more than
// one. So S-boxes go side by side, LOCKSTEP of them: elements of a state in full rounds, first elements of several states in
// partial ones.
// The integer operations on Vector::v (plus, minus, low_half, shifts, ...) are those of vector_avx512.hpp and vector_avx2.hpp.
#pragma once

#include "zk/poseidon2.hpp"

namespace zk {
inline namespace ZK_ISA {

using Integers = decltype(Vector::v);

struct Pairs {
    Integers lo[WIDTH], hi[WIDTH];
};

// S-boxes that go side by side: as many as registers allow.
constexpr int LOCKSTEP = Vector::lanes == 8 ? 4 : Vector::lanes == 1 ? 1 : 2;

ZK_HD void normalise(Integers& lo, Integers& hi) {
    Integers top = shift_right_signed<32>(hi);  // 2^64 top = 2^32 top - top
    Integers low = minus(lo, top);
    hi = plus(plus(low_half(hi), top), shift_right_signed<32>(low));
    lo = low_half(low);
}

// Added to a pair before it becomes a word, to make both halves positive. Together they are a multiple of p: 16 p, and 2^10 2^32
// moved from hi to lo.
constexpr u64 OFFSET_LO = (1ull << 42) + 16, OFFSET_HI = 16 * EPSILON - (1ull << 10);

// lo + 2^32 hi as a word, for lo and hi from 0 to 2^43.
ZK_HD Integers word(Integers lo, Integers hi) {
    Integers t = plus(lo, multiply_low(shift_right<32>(hi), Vector::splat(EPSILON).v));
    return add_small(shift_left<32>(hi), t);
}

// The word of a pair plus a round constant, for lo above -2^42, hi above -2^35, both below 2^42.
ZK_HD Integers word_plus(Integers lo, Integers hi, u64 constant) {
    Integers add_lo = Vector::splat((constant & EPSILON) + OFFSET_LO).v;
    Integers add_hi = Vector::splat((constant >> 32) + OFFSET_HI).v;
    return word(plus(lo, add_lo), plus(hi, add_hi));
}

#ifndef ZK_PRODUCT_PAIR  // one lane has its own, with a product of 128 bits
// a b as a pair.
ZK_HD void product_pair(Integers a, Integers b, Integers& lo, Integers& hi) {
    Integers ah = upper(a), bh = upper(b);
    Integers ll = multiply_low(a, b), lh = multiply_low(a, bh);
    Integers hl = multiply_low(ah, b), hh = multiply_low(ah, bh);
    Integers t0 = plus(hl, shift_right<32>(ll));
    Integers t1 = plus(lh, low_half(t0));
    Integers top = plus(plus(hh, shift_right<32>(t0)), shift_right<32>(t1));
    // ll mod 2^32 + 2^32 (t1 mod 2^32) + 2^64 top, with 2^64 = 2^32 - 1 and 2^96 = -1
    Integers middle = low_half(top);
    lo = minus(low_half(ll), plus(middle, shift_right<32>(top)));
    hi = plus(low_half(t1), middle);
}
#endif

// COUNT elements x^7 as pairs, step by step.
template <int COUNT>
ZK_HD void sboxes(const Vector* x, Integers* const* lo, Integers* const* hi) {
    Vector x2[COUNT], x3[COUNT], x4[COUNT];
#pragma GCC unroll 4
    for (int i = 0; i < COUNT; i++) x2[i] = square(x[i]);
#pragma GCC unroll 4
    for (int i = 0; i < COUNT; i++) x3[i] = x2[i] * x[i], x4[i] = square(x2[i]);
#pragma GCC unroll 4
    for (int i = 0; i < COUNT; i++) product_pair(x3[i].v, x4[i].v, *lo[i], *hi[i]);
}

ZK_HD void external_integers(Integers* x) {
    for (int i = 0; i < WIDTH; i += 4) {
        Integers a = x[i], b = x[i + 1], c = x[i + 2], d = x[i + 3];
        Integers ab = plus(a, b), cd = plus(c, d), all = plus(ab, cd), all_b = plus(all, b), all_d = plus(all, d);
        x[i] = plus(all_b, ab);
        x[i + 1] = plus(all_b, plus(c, c));
        x[i + 2] = plus(all_d, cd);
        x[i + 3] = plus(all_d, plus(a, a));
    }
    for (int k = 0; k < 4; k++) {
        Integers sum = plus(plus(x[k], x[k + 4]), plus(x[k + 8], x[k + 12]));
        for (int i = k; i < WIDTH; i += 4) x[i] = plus(x[i], sum);
    }
}

ZK_HD void full_round(Pairs& s, const u64* constants) {
    for (int start = 0; start < WIDTH; start += LOCKSTEP) {
        Vector x[LOCKSTEP];
        Integers *lo[LOCKSTEP], *hi[LOCKSTEP];
#pragma GCC unroll 4
        for (int i = 0; i < LOCKSTEP; i++) {
            lo[i] = s.lo + start + i, hi[i] = s.hi + start + i;
            x[i].v = word_plus(*lo[i], *hi[i], constants[start + i]);
        }
        sboxes<LOCKSTEP>(x, lo, hi);
    }
    external_integers(s.lo);
    external_integers(s.hi);
}

// x / 2^K added to or taken from the sum: with r the low K bits of each half, lo / 2^K = (lo >> K) + r (2^(32-K) - 2^(64-K)).
template <int K, bool NEGATIVE>
ZK_HD void divide(Integers& lo, Integers& hi, Integers sum_lo, Integers sum_hi) {
    Integers mask = Vector::splat((1 << K) - 1).v;
    Integers r = both_bits(lo, mask), both = plus(r, both_bits(hi, mask));
    Integers new_lo = plus(shift_right_signed<K>(lo), shift_left<32 - K>(both));
    Integers new_hi = minus(shift_right_signed<K>(hi), shift_left<32 - K>(r));
    lo = NEGATIVE ? minus(sum_lo, new_lo) : plus(sum_lo, new_lo);
    hi = NEGATIVE ? minus(sum_hi, new_hi) : plus(sum_hi, new_hi);
}

ZK_HD void multiples(Integers* x, Integers sum) {
    Integers two = plus(x[2], x[2]);
    x[1] = plus(sum, x[1]);
    x[2] = plus(sum, two);
    x[4] = plus(sum, plus(plus(x[4], x[4]), x[4]));
    x[5] = plus(sum, shift_left<2>(x[5]));
    x[7] = minus(sum, plus(plus(x[7], x[7]), x[7]));
    x[8] = minus(sum, shift_left<2>(x[8]));
}

ZK_HD Integers sum_of_all(const Integers* x) {
    Integers a = plus(plus(x[1], x[2]), plus(x[3], x[4])), b = plus(plus(x[5], x[6]), plus(x[7], x[8]));
    Integers c = plus(plus(x[9], x[10]), plus(x[11], x[12])), d = plus(plus(x[13], x[14]), x[15]);
    return plus(plus(a, b), plus(c, d));
}

// What follows the S-box of a partial round, (x_lo, x_hi) being what it gave.
ZK_HD void internal_integers(Pairs& s, Integers x_lo, Integers x_hi) {
    Integers lo = plus(sum_of_all(s.lo), x_lo), hi = plus(sum_of_all(s.hi), x_hi);
    normalise(lo, hi);
    s.lo[0] = minus(lo, plus(x_lo, x_lo));
    s.hi[0] = minus(hi, plus(x_hi, x_hi));
    multiples(s.lo, lo);
    multiples(s.hi, hi);
    divide<1, false>(s.lo[3], s.hi[3], lo, hi);
    divide<1, true>(s.lo[6], s.hi[6], lo, hi);
    divide<3, false>(s.lo[9], s.hi[9], lo, hi);
    divide<4, false>(s.lo[10], s.hi[10], lo, hi);
    divide<5, false>(s.lo[11], s.hi[11], lo, hi);
    divide<3, true>(s.lo[12], s.hi[12], lo, hi);
    divide<4, true>(s.lo[13], s.hi[13], lo, hi);
    divide<5, true>(s.lo[14], s.hi[14], lo, hi);
    // (lo + 2^32 hi) / 2^32 = hi + lo (1 - 2^32)
    Integers low = s.lo[15];
    s.lo[15] = plus(lo, plus(s.hi[15], low));
    s.hi[15] = minus(hi, low);
}

template <int STATES>
ZK_HD void partial_round(Pairs* s, u64 constant) {
    Vector x[STATES];
    Integers x_lo[STATES], x_hi[STATES], *lo[STATES], *hi[STATES];
#pragma GCC unroll 4
    for (int k = 0; k < STATES; k++) {
        lo[k] = x_lo + k, hi[k] = x_hi + k;
        x[k].v = word_plus(s[k].lo[0], s[k].hi[0], constant);
    }
    sboxes<STATES>(x, lo, hi);
    for (int k = 0; k < STATES; k++) internal_integers(s[k], x_lo[k], x_hi[k]);
}

template <int STATES>
ZK_HD void permute_all(Vector (*states)[WIDTH], const RoundConstants& constants) {
    Pairs s[STATES];
    for (int k = 0; k < STATES; k++) {
        for (int i = 0; i < WIDTH; i++) {
            s[k].lo[i] = low_half(states[k][i].v);
            s[k].hi[i] = shift_right<32>(states[k][i].v);
        }
        external_integers(s[k].lo);
        external_integers(s[k].hi);
        for (int r = 0; r < FULL_ROUNDS / 2; r++) full_round(s[k], constants.full[r]);
    }
    for (int r = 0; r < PARTIAL_ROUNDS; r++) {
        if (r % (PARTIAL_ROUNDS / 2) == 0) {
            constexpr int GROWING[] = {2, 4, 5, 7, 8};
            for (int k = 0; k < STATES; k++) {
                for (int i : GROWING) normalise(s[k].lo[i], s[k].hi[i]);
            }
        }
        partial_round<STATES>(s, constants.partial[r]);
    }
    for (int k = 0; k < STATES; k++) {
        for (int i = 0; i < WIDTH; i++) normalise(s[k].lo[i], s[k].hi[i]);
        for (int r = FULL_ROUNDS / 2; r < FULL_ROUNDS; r++) full_round(s[k], constants.full[r]);
        for (int i = 0; i < WIDTH; i++) states[k][i].v = word_plus(s[k].lo[i], s[k].hi[i], 0);
    }
}

ZK_HD void permute(Vector* state, const RoundConstants& constants) { permute_all<1>((Vector(*)[WIDTH])state, constants); }

}  // namespace ZK_ISA
}  // namespace zk
