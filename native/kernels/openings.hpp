// Values at the out-of-domain point, DEEP codewords, FRI folds.
//
// Rules: each body handles BATCH * F::lanes (or F::lanes) entries from its index on, over extension columns whose base
// columns lie `stride` words apart. Sums over columns are kept in registers, column by column over a short run of rows.
#pragma once

#include "points.hpp"

namespace zk {

// One group of columns of a DEEP codeword: sum_k factors[k] (columns[k] - opened value) / (x - z), the opened values summed
// into `constant` beforehand.
struct DeepTerm {
    const u64* const* columns;
    size_t width;
    const u64* factors;  // (width, 3)
    u64 constant[3];     // sum_k factors[k] * value[k]
    Pole pole;
};

inline namespace ZK_ISA {

// weights[s] = x_s / (z - x_s): what barycentric evaluation multiplies values by.
template <class F, int BATCH>
struct Weights {
    PointTable points;
    Pole pole;
    u64* weights;
    size_t stride;

    ZK_HD void operator()(size_t index) const {
        Fp3<F> inverses[BATCH];
        F xs[BATCH];
        invert_differences<F, BATCH>(points, pole, index, inverses, xs);
        for (int g = 0; g < BATCH; g++) (inverses[g] * xs[g]).store(weights, stride, index + g * F::lanes);
    }
};

// total + sum over BATCH vectors of column * weights.
template <class F, int BATCH>
struct WeightedSum {
    const u64* weights;
    size_t stride;

    ZK_HD void operator()(const u64* column, size_t index, Fp3<F>* total) const {
        Fp3<F> sum = *total;
        for (int g = 0; g < BATCH; g++) {
            size_t s = index + g * F::lanes;
            F value = F::load(column + s);
            sum = sum + Fp3<F>::load(weights, stride, s) * value;
        }
        *total = sum;
    }
};

template <class F, int BATCH>
struct Deep {
    const DeepTerm* terms;
    int term_count;
    PointTable points;
    u64* codeword;
    size_t stride;

    ZK_HD void operator()(size_t index) const {
        Fp3<F> result[BATCH];
        for (int g = 0; g < BATCH; g++) result[g] = zero3<F>();
        for (int t = 0; t < term_count; t++) {
            const DeepTerm& term = terms[t];
            Fp3<F> sum[BATCH], inverses[BATCH];
            F xs[BATCH];
            // constant - sum_k factor_k p_k(x), over z - x
            for (int g = 0; g < BATCH; g++) sum[g] = Fp3<F>::splat(term.constant);
            for (size_t k = 0; k < term.width; k++) {
                Fp3<F> factor = Fp3<F>::splat(term.factors + 3 * k);
                for (int g = 0; g < BATCH; g++) {
                    sum[g] = sum[g] - factor * F::load(term.columns[k] + index + g * F::lanes);
                }
            }
            invert_differences<F, BATCH>(points, term.pole, index, inverses, xs);
            for (int g = 0; g < BATCH; g++) result[g] = result[g] + sum[g] * inverses[g];
        }
        for (int g = 0; g < BATCH; g++) result[g].store(codeword, stride, index + g * F::lanes);
    }
};

// One binary fold: folded[i] = (f(x) + f(-x)) / 2 + beta (f(x) - f(-x)) / (2x), entries 2i and 2i + 1 being x and -x.
template <class F>
struct Fold {
    const u64* codeword;
    size_t stride;
    PointTable inverses;  // 1 / x by i
    const u64* half_beta;
    u64* folded;
    size_t folded_stride;

    ZK_HD void operator()(size_t index) const {
        F inverse = point<F>(inverses, index);
        F even[3], odd[3];
        for (int c = 0; c < 3; c++) {
            const u64* at = codeword + c * stride + 2 * index;
            even[c] = F::load(at);
            odd[c] = F::load(at + F::lanes);
            deinterleave(even[c], odd[c]);
        }
        Fp3<F> difference{even[0] - odd[0], even[1] - odd[1], even[2] - odd[2]};
        Fp3<F> result = (difference * inverse) * Fp3<F>::splat(half_beta);
        result.c0 = result.c0 + over_power_of_two<1>(even[0] + odd[0]);
        result.c1 = result.c1 + over_power_of_two<1>(even[1] + odd[1]);
        result.c2 = result.c2 + over_power_of_two<1>(even[2] + odd[2]);
        result.store(folded, folded_stride, index);
    }
};

// result = left + scalar * right.
template <class F>
struct AddScaled {
    const u64 *left, *right, *scalar;
    u64* result;
    size_t stride;

    ZK_HD void operator()(size_t index) const {
        Fp3<F> sum = Fp3<F>::load(left, stride, index) + Fp3<F>::splat(scalar) * Fp3<F>::load(right, stride, index);
        sum.store(result, stride, index);
    }
};

}  // namespace ZK_ISA
}  // namespace zk
