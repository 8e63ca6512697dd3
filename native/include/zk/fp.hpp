// The Goldilocks field, p = 2^64 - 2^32 + 1, one element at a time.
//
// Rules:
// * An Fp holds any 64-bit representative of its residue; memory holds canonical words (below p). `load` takes canonical
//   words, `store` makes them.
// * No branches: 2^64 = 2^32 - 1 and 2^96 = -1 (mod p), and carries become masks.
// * The vector types of native/cpu have the same interface (lanes, load, store, splat, +, -, *, ...), so a kernel written
//   over a field type F runs on one element or on many.
#pragma once

#include "platform.hpp"

namespace zk {

constexpr u64 P = 0xffffffff00000001ull;
constexpr u64 EPSILON = 0xffffffffull;  // 2^64 mod p

inline namespace ZK_ISA {

struct Fp {
    static constexpr size_t lanes = 1;
    u64 v;

    static ZK_HD Fp splat(u64 x) { return {x}; }
    static ZK_HD Fp load(const u64* from) { return {*from}; }
    ZK_HD u64 canonical() const { return v - (P & (0 - (u64)(v >= P))); }
    ZK_HD void store(u64* to) const { *to = canonical(); }
};

template <class F>
constexpr int log2_lanes() {
    return F::lanes == 8 ? 3 : F::lanes == 4 ? 2 : F::lanes == 2 ? 1 : 0;
}

// a + b, any representatives: a second carry is possible.
ZK_HD Fp operator+(Fp a, Fp b) {
    u64 s = a.v + b.v;
    u64 fix = (0 - (u64)(s < a.v)) & EPSILON;
    u64 t = s + fix;
    return {t + ((0 - (u64)(t < fix)) & EPSILON)};
}

ZK_HD Fp operator-(Fp a, Fp b) {
    u64 d = a.v - b.v;
    u64 fix = (0 - (u64)(a.v < b.v)) & EPSILON;
    u64 t = d - fix;
    return {t - ((0 - (u64)(d < fix)) & EPSILON)};
}

// The same where b is canonical: one carry at most.
ZK_HD Fp add_canonical(Fp a, Fp b) {
    u64 s = a.v + b.v;
    return {s + ((0 - (u64)(s < a.v)) & EPSILON)};
}

ZK_HD Fp sub_canonical(Fp a, Fp b) {
    u64 d = a.v - b.v;
    return {d - ((0 - (u64)(a.v < b.v)) & EPSILON)};
}

// lo + 2^64 hi as an element.
ZK_HD Fp reduce(u64 lo, u64 hi) {
    u64 top = hi >> 32;
    u64 t = lo - top;
    t -= (0 - (u64)(lo < top)) & EPSILON;
    u64 mid = (hi & EPSILON) * EPSILON;
    u64 r = t + mid;
    return {r + ((0 - (u64)(r < mid)) & EPSILON)};
}

ZK_HD Fp operator*(Fp a, Fp b) {
    u128 x = (u128)a.v * b.v;
    return reduce((u64)x, (u64)(x >> 64));
}

ZK_HD Fp square(Fp a) { return a * a; }

ZK_HD Fp canonicalise(Fp a) { return {a.canonical()}; }

// a * 2^48, a square root of -1 up to sign: 2^96 = -1.
ZK_HD Fp times_i(Fp a) { return reduce(a.v << 48, a.v >> 16); }

// a / 2^K for 0 < K < 32: the low K bits l of a weigh l / 2^K = l (2^(32-K) - 2^(64-K)).
template <int K>
ZK_HD Fp over_power_of_two(Fp a) {
    u64 high = a.v << (64 - K);
    return sub_canonical({a.v >> K}, {high - (high >> 32)});
}

// a * 2^K for 0 < K <= 32.
template <int K>
ZK_HD Fp times_power_of_two(Fp a) {
    u64 low = a.v << K, high = (a.v >> (64 - K)) * EPSILON, r = low + high;
    return {r + ((0 - (u64)(r < high)) & EPSILON)};
}

// a / 2^32 = high + low (1 - 2^32).
ZK_HD Fp over_2_32(Fp a) { return sub_canonical({(a.v >> 32) + (a.v & EPSILON)}, {a.v << 32}); }

// Sums of products with constants, reduced once at the end. A constant is given as three limbs, lowest first, of LIMB bits
// (`to_limbs`), so that partial products leave room for MAX_TERMS of them in 64 bits.
constexpr int LIMB = 22, LIMBS = 3;
constexpr size_t MAX_TERMS = 1000;

ZK_HD void to_limbs(u64 constant, u64* limbs) {
    for (int i = 0; i < LIMBS; i++) limbs[i] = (constant >> (LIMB * i)) & (((u64)1 << LIMB) - 1);
}

template <class F>
struct Dot;

template <>
struct Dot<Fp> {
    u128 sums[LIMBS];

    static ZK_HD Dot zero() { return {{0, 0, 0}}; }
    ZK_HD void add(Fp value, const u64* limbs) {
        for (int i = 0; i < LIMBS; i++) sums[i] += (u128)value.v * limbs[i];
    }
    ZK_HD Fp value() const {
        Fp total{0};
        for (int i = LIMBS; i-- > 0;) total = times_power_of_two<LIMB>(total) + reduce((u64)sums[i], (u64)(sums[i] >> 64));
        return total;
    }
};

// Two loads of adjacent entries into even and odd entries; one lane holds one entry already.
ZK_HD void deinterleave(Fp&, Fp&) {}

template <class F>
ZK_HD F power(F base, u64 exponent) {
    F result = F::splat(1);
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) result = result * base;
        base = square(base);
    }
    return result;
}

// 1 / a by Fermat, 0 for 0; 63 squarings and 9 multiplications: p - 2 = (2^31 - 1) 2^33 + 2^32 - 1.
template <class F>
ZK_HD F inverse(F a) {
    auto squarings = [](F x, int n) {
        for (int i = 0; i < n; i++) x = square(x);
        return x;
    };
    F t2 = square(a) * a;              // 2^2 - 1
    F t3 = square(t2) * a;             // 2^3 - 1
    F t6 = squarings(t3, 3) * t3;      // 2^6 - 1
    F t12 = squarings(t6, 6) * t6;     // 2^12 - 1
    F t24 = squarings(t12, 12) * t12;  // 2^24 - 1
    F t30 = squarings(t24, 6) * t6;    // 2^30 - 1
    F t31 = square(t30) * a;           // 2^31 - 1
    F t63 = squarings(t31, 32) * t31;  // (2^31 - 1) 2^32 + 2^31 - 1
    return square(t63) * a;            // p - 2
}

}  // namespace ZK_ISA
}  // namespace zk
