// Stage 2: fractions of every row, their inversion in batches, and the running sum in the order of rows.
#pragma once

#include "air.hpp"
#include "points.hpp"

namespace zk {
inline namespace ZK_ISA {

constexpr size_t MAX_PAIRS = 32;
constexpr size_t BATCH_FRACTIONS = 256;  // vectors inverted together: the scratch stays in the second-level cache

// Fractions of rows [begin, end) into aux: column j >= 1 gets pair j's, column 0 the sum of all of a row's. Adds up `total` (one
// lane each). Scratch: BATCH_FRACTIONS + MAX_PAIRS fractions and as many values. False: a denominator is zero.
template <class F>
inline bool fraction_columns(const AirEntry& air, const AirFunctions& functions, const AirView& view, int log_height,
                             size_t begin, size_t end, u64* aux, Fp3<F>* total, void* scratch) {
    size_t pairs = air.pairs, stride = view.stride, height = (size_t)1 << log_height;
    Fraction<F>* fractions = (Fraction<F>*)scratch;
    F* prefix = (F*)(fractions + BATCH_FRACTIONS + MAX_PAIRS);
    size_t group = BATCH_FRACTIONS / pairs > 0 ? BATCH_FRACTIONS / pairs : 1;
    auto next = [&](size_t row) {
        size_t following = next_entry(row, log_height);
        return following == height ? 0 : following;
    };
    for (size_t row = begin; row < end;) {
        size_t rows = (end - row) / F::lanes < group ? (end - row) / F::lanes : group, count = rows * pairs;
        for (size_t g = 0; g < rows; g++) {
            size_t at = row + g * F::lanes, following = F::lanes * next_entry(at / F::lanes, log_height - log2_lanes<F>());
            Fraction<F>* to = fractions + g * pairs;
            if (following < height || F::lanes == 1) {
                functions.fractions(view, at, following < height ? following : 0, to);
            } else {
                one_by_one<F>(at, next, &to->numerator, 2 * pairs,
                              [&](size_t s, size_t n, Fp3<Fp>* values) { air.scalar->fractions(view, s, n, values); });
            }
        }
        F product = F::splat(1);
        for (size_t i = 0; i < count; i++) {
            Fraction<F>& f = fractions[i];
            Adjugate<F> a = adjugate(f.denominator);
            f.numerator = f.numerator * a.adjugate;
            f.denominator.c0 = a.norm;
            prefix[i] = product;
            product = product * a.norm;
        }
        u64 products[F::lanes];
        product.store(products);
        for (size_t lane = 0; lane < F::lanes; lane++) {
            if (products[lane] == 0) return false;
        }
        F rest = inverse(product);
        for (size_t g = rows; g-- > 0;) {
            Fp3<F> sum = zero3<F>();
            size_t at = row + g * F::lanes;
            for (size_t j = pairs; j-- > 0;) {
                const Fraction<F>& f = fractions[g * pairs + j];
                Fp3<F> value = f.numerator * (rest * prefix[g * pairs + j]);
                rest = rest * f.denominator.c0;
                sum = sum + value;
                if (j) value.store(aux + 3 * j * stride, stride, at);
            }
            sum.store(aux, stride, at);
            *total = *total + sum;
        }
        row += rows * F::lanes;
    }
    return true;
}

// The running sum phi(r) = sum over rows below r of (value - offset), for one bit-reversed column of 2^log_size entries: row
// r = 16 h + l is entry bitrev(l) 2^(log_size - 4) + bitrev(h), so blocks of 16 rows are vectors of 16 distant streams.
// `Sums`: their totals by bitrev(h), a column of the same kind 16 times shorter; `Apply`: from its running sums, in place.
constexpr int LOG_SCAN = 4;

ZK_HD size_t scan_stream(int row, int log_size) {
    int reversed = (row & 1) << 3 | (row & 2) << 1 | (row & 4) >> 1 | (row & 8) >> 3;
    return (size_t)reversed << (log_size - LOG_SCAN);
}

template <class F>
struct ScanSums {
    const u64* column;
    int log_size;
    u64 offset;  // 16 times the offset of one row
    u64* sums;

    ZK_HD void operator()(size_t index) const {
        F sum = F::splat(0);
        for (int l = 0; l < 1 << LOG_SCAN; l++) sum = add_canonical(sum, F::load(column + scan_stream(l, log_size) + index));
        sub_canonical(sum, F::splat(offset)).store(sums + index);
    }
};

template <class F>
struct ScanApply {
    u64* column;
    int log_size;
    u64 offset;  // of one row
    const u64* sums;

    ZK_HD void operator()(size_t index) const {
        F running = F::load(sums + index);
        for (int l = 0; l < 1 << LOG_SCAN; l++) {
            u64* at = column + scan_stream(l, log_size) + index;
            F value = F::load(at);
            running.store(at);
            running = sub_canonical(add_canonical(running, value), F::splat(offset));
        }
    }
};

}  // namespace ZK_ISA
}  // namespace zk
