// Points of a domain in storage order, and quotients by (z - x) over all of them.
//
// Rules: entry s of a domain is low[s mod 2^log_low] * high[s >> log_low]: two small tables instead of a large one. F::lanes
// entries from a multiple of F::lanes on share their high factor.
#pragma once

#include "zk/fp3.hpp"

namespace zk {

struct PointTable {
    const u64* low;
    const u64* high;
    int log_low;
};

// adjugate and norm of (z - x) as polynomials in x, for one extension element z: the adjugate is
// (x^2 + linear0 x + constant0, linear1 x + constant1, linear2 x + constant2), see fp3.hpp.
struct Pole {
    u64 z0;
    u64 linear[3], constant[3];
};

inline namespace ZK_ISA {

template <class F>
ZK_HD F point(const PointTable& table, size_t s) {
    return F::load(table.low + (s & (((size_t)1 << table.log_low) - 1))) * F::splat(table.high[s >> table.log_low]);
}

inline Pole pole(const u64* z) {
    Fp a0{z[0]}, a1{z[1]}, a2{z[2]};
    Fp s = a0 + a2, t = a1 + a2, zero{0};
    Fp c0 = s * s - t * a1, c1 = t * a2 - a1 * s, c2 = a1 * a1 - s * a2;
    return {a0.canonical(),
            {(zero - (s + s)).canonical(), a1.canonical(), a2.canonical()},
            {c0.canonical(), c1.canonical(), c2.canonical()}};
}

template <class F>
ZK_HD Adjugate<F> adjugate(const Pole& pole, F x) {
    F m0 = add_canonical((x + F::splat(pole.linear[0])) * x, F::splat(pole.constant[0]));
    F m1 = add_canonical(x * F::splat(pole.linear[1]), F::splat(pole.constant[1]));
    F m2 = add_canonical(x * F::splat(pole.linear[2]), F::splat(pole.constant[2]));
    F norm = (F::splat(pole.z0) - x) * m0 + F::splat(pole.linear[2]) * m1 + F::splat(pole.linear[1]) * m2;
    return {{m0, m1, m2}, norm};
}

// values[0..COUNT) replaced by their inverses, with one inversion (Montgomery's trick); lanes whose product is zero by zeros.
// Four chains run side by side: a single one would wait for each product.
template <class F, int COUNT>
ZK_HD void invert_all(F* values) {
    constexpr int CHAINS = COUNT % 4 == 0 ? 4 : 1;
    F prefix[COUNT], products[CHAINS], before[CHAINS];
    for (int c = 0; c < CHAINS; c++) products[c] = F::splat(1);
    for (int i = 0; i < COUNT; i++) {
        prefix[i] = products[i % CHAINS];
        products[i % CHAINS] = products[i % CHAINS] * values[i];
    }
    F product = F::splat(1);
    for (int c = 0; c < CHAINS; c++) {
        before[c] = product;
        product = product * products[c];
    }
    F rest = inverse(product);
    for (int c = CHAINS; c-- > 0;) {
        before[c] = rest * before[c];  // now 1 / products[c]
        rest = rest * products[c];
    }
    for (int i = COUNT; i-- > 0;) {
        F value = values[i];
        values[i] = before[i % CHAINS] * prefix[i];
        before[i % CHAINS] = before[i % CHAINS] * value;
    }
}

// 1 / (z - x) for BATCH * lanes consecutive points from s on. A point equal to z gives zeros.
template <class F, int BATCH>
ZK_HD void invert_differences(const PointTable& table, const Pole& pole, size_t s, Fp3<F>* result, F* xs) {
    F norms[BATCH];
    for (int g = 0; g < BATCH; g++) {
        xs[g] = point<F>(table, s + g * F::lanes);
        Adjugate<F> a = adjugate(pole, xs[g]);
        result[g] = a.adjugate;
        norms[g] = a.norm;
    }
    invert_all<F, BATCH>(norms);
    for (int g = 0; g < BATCH; g++) result[g] = result[g] * norms[g];
}

}  // namespace ZK_ISA
}  // namespace zk
