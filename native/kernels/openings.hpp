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
    const u64* limbs;  // (width, 3, LIMBS): the factors, see Dot
    u64 constant[3];   // sum_k factors[k] * value[k]
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

    // BATCH points share an inversion; a column is read in runs of STEP vectors, and sums stay in registers for RUN columns.
    static constexpr int STEP = BATCH < 8 ? BATCH : 8;
    static constexpr size_t RUN = 16;

    static ZK_HD void add_columns(const DeepTerm& term, size_t begin, size_t end, size_t row, Dot<F>* dots) {
        Dot<F> c0 = dots[0], c1 = dots[1], c2 = dots[2];
        for (size_t k = begin; k < end; k++) {
            F value = F::load(term.columns[k] + row);
            const u64* limbs = term.limbs + 3 * LIMBS * k;
            c0.add(value, limbs);
            c1.add(value, limbs + LIMBS);
            c2.add(value, limbs + 2 * LIMBS);
        }
        dots[0] = c0, dots[1] = c1, dots[2] = c2;
    }

    // constant - sum_k factor_k p_k(x) for STEP vectors of rows
    static ZK_HD void numerators(const DeepTerm& term, size_t index, Fp3<F>* sum) {
        for (int g = 0; g < STEP; g++) sum[g] = Fp3<F>::splat(term.constant);
        for (size_t start = 0; start < term.width; start += MAX_TERMS) {
            Dot<F> dots[STEP][3];
            for (int g = 0; g < STEP; g++) dots[g][0] = dots[g][1] = dots[g][2] = Dot<F>::zero();
            size_t end = term.width - start < MAX_TERMS ? term.width : start + MAX_TERMS;
            for (size_t k = start; k < end; k += RUN) {
                size_t stop = end - k < RUN ? end : k + RUN;
                for (int g = 0; g < STEP; g++) add_columns(term, k, stop, index + g * F::lanes, dots[g]);
            }
            for (int g = 0; g < STEP; g++) sum[g] = sum[g] - Fp3<F>{dots[g][0].value(), dots[g][1].value(), dots[g][2].value()};
        }
    }

    ZK_HD void operator()(size_t index) const {
        Fp3<F> result[BATCH], inverses[BATCH], sum[STEP];
        F xs[BATCH];
        for (int g = 0; g < BATCH; g++) result[g] = zero3<F>();
        for (int t = 0; t < term_count; t++) {
            invert_differences<F, BATCH>(points, terms[t].pole, index, inverses, xs);
            for (int first = 0; first < BATCH; first += STEP) {
                numerators(terms[t], index + first * F::lanes, sum);
                for (int g = 0; g < STEP; g++) result[first + g] = result[first + g] + sum[g] * inverses[first + g];
            }
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

// result = left + scalar * right, the right side of 2^log_lift times fewer entries, each standing for as many adjacent ones.
template <class F>
struct AddScaled {
    const u64 *left, *right, *scalar;
    u64* result;
    size_t stride;
    int log_lift;

    ZK_HD F lifted(int coefficient, size_t index) const {
        const u64* from = right + coefficient * (stride >> log_lift);
        if (log_lift == 0) return F::load(from + index);
        u64 words[F::lanes];
        for (size_t lane = 0; lane < F::lanes; lane++) words[lane] = from[(index + lane) >> log_lift];
        return F::load(words);
    }

    ZK_HD void operator()(size_t index) const {
        Fp3<F> addend{lifted(0, index), lifted(1, index), lifted(2, index)};
        Fp3<F> sum = Fp3<F>::load(left, stride, index) + Fp3<F>::splat(scalar) * addend;
        sum.store(result, stride, index);
    }
};

}  // namespace ZK_ISA
}  // namespace zk
