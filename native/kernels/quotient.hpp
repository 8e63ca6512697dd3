// The quotient's values on the extended domain: constraints, folded with powers of gamma, over x^N - 1.
#pragma once

#include "air.hpp"
#include "points.hpp"

namespace zk {
inline namespace ZK_ISA {

// Adds entries [begin, end) of one half of the first 2N entries of an LDE, the half that begins at entry `base` (N = 2^log_height
// entries: one coset of H_N, on which x^N - 1 is constant). The range holds whole vectors.
template <class F>
inline void add_quotient(const AirEntry& air, const AirFunctions& functions, const AirView& view, int log_height, size_t base,
                         size_t begin, size_t end, u64 inverse_vanishing, u64* values, size_t stride) {
    size_t height = (size_t)1 << log_height;
    F factor = F::splat(inverse_vanishing);
    auto next = [&](size_t row) {
        size_t following = next_entry(row - base, log_height);
        return base + (following == height ? 0 : following);
    };
    for (size_t s = begin; s < end; s += F::lanes) {
        size_t following = F::lanes * next_entry(s / F::lanes, log_height - log2_lanes<F>());
        Fp3<F> total;
        if (following < height || F::lanes == 1) {
            functions.constraints(view, base + s, base + (following < height ? following : 0), &total);
        } else {
            one_by_one<F>(base + s, next, &total, 1,
                          [&](size_t row, size_t n, Fp3<Fp>* value) { air.scalar->constraints(view, row, n, value); });
        }
        (Fp3<F>::load(values, stride, base + s) + total * factor).store(values, stride, base + s);
    }
}

// The first row's selector over one such half: (x^N - 1) / (N (x - 1)); `scale` is (x^N - 1) / N there.
template <class F, int BATCH>
struct FirstRow {
    PointTable points;
    u64 scale;
    u64* selector;

    ZK_HD void operator()(size_t index) const {
        F differences[BATCH];
        for (int g = 0; g < BATCH; g++) differences[g] = point<F>(points, index + g * F::lanes) - F::splat(1);
        invert_all<F, BATCH>(differences);
        for (int g = 0; g < BATCH; g++) (differences[g] * F::splat(scale)).store(selector + index + g * F::lanes);
    }
};

}  // namespace ZK_ISA
}  // namespace zk
