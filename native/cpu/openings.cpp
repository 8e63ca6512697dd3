// The part of the C interface for openings: out-of-domain values, DEEP codewords, FRI folds.
#include <vector>

#include "kernels.hpp"
#include "parallel.hpp"
#include "plan.hpp"
#include "zk/interface.h"

using namespace zk_cpu;
using zk::Fp;

namespace {

constexpr u64 SHIFT = 7;
constexpr size_t GRAIN = 8192;  // entries in one task

}  // namespace

extern "C" void zk_weights(const u64* z, int log_height, u64* weights) {
    return guarded([&] {
        size_t height = (size_t)1 << log_height;
        Points points(log_height, SHIFT);
        zk::PointTable table = points.table();
        zk::Pole pole = zk::pole(z);
        for_ranges(height, GRAIN, [&](size_t begin, size_t end) { kernels().weights(table, pole, begin, end, weights, height); });
    });
}

extern "C" void zk_weighted_sums(const u64* weights, int log_height, const u64* const* columns, size_t count, u64* sums) {
    return guarded([&] {
        size_t height = (size_t)1 << log_height, tasks = (height + GRAIN - 1) / GRAIN;
        std::vector<u64> parts(tasks * 3 * count);
        for_ranges(height, GRAIN, [&](size_t begin, size_t end) {
            kernels().weighted_sums(weights, height, columns, count, begin, end, &parts[begin / GRAIN * 3 * count]);
        });
        for (size_t k = 0; k < 3 * count; k++) {
            Fp sum{0};
            for (size_t task = 0; task < tasks; task++) sum = sum + Fp{parts[task * 3 * count + k]};
            sums[k] = sum.canonical();
        }
    });
}

extern "C" void zk_deep(const u64* const* columns, const size_t* widths, const u64* factors, const u64* constants, const u64* z,
                        size_t terms, int log_size, u64* codeword) {
    return guarded([&] {
        std::vector<zk::DeepTerm> list;
        size_t all = 0;
        for (size_t t = 0; t < terms; t++) all += widths[t];
        std::vector<u64> limbs(3 * zk::LIMBS * all);
        for (size_t k = 0; k < 3 * all; k++) zk::to_limbs(factors[k], &limbs[zk::LIMBS * k]);
        const u64* next = limbs.data();
        for (size_t t = 0; t < terms; t++) {
            list.push_back(
                {columns, widths[t], next, {constants[3 * t], constants[3 * t + 1], constants[3 * t + 2]}, zk::pole(z + 3 * t)});
            columns += widths[t];
            next += 3 * zk::LIMBS * widths[t];
        }
        size_t size = (size_t)1 << log_size;
        Points points(log_size, SHIFT);
        zk::PointTable table = points.table();
        for_ranges(size, 1024,
                   [&](size_t begin, size_t end) { kernels().deep(list.data(), (int)terms, table, begin, end, codeword, size); });
    });
}

extern "C" void zk_fold(const u64* codeword, int log_size, int log_arity, const u64* beta, u64* folded) {
    return guarded([&] {
        zk::Fp3<Fp> b = zk::Fp3<Fp>::splat(beta);
        std::vector<u64> between;
        for (int step = 0; step < log_arity; step++) {
            size_t size = (size_t)1 << (log_size - step);
            zk::Fp3<Fp> half = {zk::over_power_of_two<1>(b.c0), zk::over_power_of_two<1>(b.c1), zk::over_power_of_two<1>(b.c2)};
            u64 half_beta[3];
            half.store(half_beta, 1, 0);
            Points inverses = Points::inverses(log_size - step - 1);
            zk::PointTable table = inverses.table();
            std::vector<u64> next(step + 1 < log_arity ? 3 * (size / 2) : 0);
            u64* to = step + 1 < log_arity ? next.data() : folded;
            for_ranges(size / 2, GRAIN, [&](size_t begin, size_t end) {
                kernels().fold(codeword, size, table, half_beta, begin, end, to, size / 2);
            });
            between.swap(next);
            codeword = between.data();
            b = zk::square(b);
        }
    });
}

extern "C" void zk_add_scaled(const u64* left, const u64* right, const u64* scalar, u64* result, size_t size, int log_lift) {
    return guarded([&] {
        for_ranges(size, GRAIN, [&](size_t begin, size_t end) {
            kernels().add_scaled(left, right, scalar, result, size, log_lift, begin, end);
        });
    });
}
