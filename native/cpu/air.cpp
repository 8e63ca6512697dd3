// The part of the C interface that evaluates AIRs: stage 2 and the quotient. `air` is an entry of a table zk_airs, of this
// library or of another that backends/build.py made.
#include <string.h>

#include <atomic>
#include <vector>

#include "kernels.hpp"
#include "parallel.hpp"
#include "transform.hpp"
#include "zk/interface.h"

using namespace zk_cpu;
using zk::Fp;

namespace {

constexpr u64 SHIFT = 7;
constexpr size_t GRAIN = 1024;  // rows in one task

const Kernels& kernels_for(const zk::AirEntry& air) { return kernels().evaluates(air) ? kernels() : kernels_scalar; }

// The running sum of (column - offset) in the order of rows, see kernels/logup.hpp.
void running_sum(u64* column, int log_size, Fp offset) {
    constexpr int LOG_SCAN = 4, LOG_SMALL = 8;
    size_t size = (size_t)1 << log_size;
    if (log_size < LOG_SMALL) {
        Fp sum{0};
        for (size_t row = 0, s = 0; row < size; row++, s = zk::next_entry(s, log_size)) {
            Fp value{column[s]};
            sum.store(column + s);
            sum = sum + value - offset;
        }
        return;
    }
    size_t blocks = size >> LOG_SCAN, grain = 4096;
    std::vector<u64> sums(blocks);
    u64 block_offset = (offset * Fp{1 << LOG_SCAN}).canonical();
    for_ranges(blocks, grain,
               [&](size_t begin, size_t end) { kernels().scan_sums(column, log_size, block_offset, begin, end, sums.data()); });
    running_sum(sums.data(), log_size - LOG_SCAN, {0});
    for_ranges(blocks, grain, [&](size_t begin, size_t end) {
        kernels().scan_apply(column, log_size, offset.canonical(), sums.data(), begin, end);
    });
}

}  // namespace

extern "C" const zk::AirEntry* zk_find_air(const zk::AirEntry* table, size_t count, const unsigned char* digest) {
    for (size_t i = 0; i < count; i++) {
        if (!memcmp(table[i].digest, digest, sizeof table[i].digest)) return table + i;
    }
    return nullptr;
}

extern "C" int zk_logup(const zk::AirEntry* air, const u64* main, const u64* fixed, int log_height, const u64* uniforms,
                        int selectors, u64* aux, u64* total) {
    return guarded([&]() -> int {
        const Kernels& table = kernels_for(*air);
        size_t height = (size_t)1 << log_height, tasks = (height + GRAIN - 1) / GRAIN;
        std::vector<u64> first;
        if (selectors) {
            first.resize(height, 0);
            first[0] = 1;
        }
        zk::AirView view{main, fixed, nullptr, selectors ? first.data() : nullptr, height, uniforms};
        std::vector<u64> totals(3 * tasks, 0);
        std::atomic<bool> good{true};
        for_ranges(height, GRAIN, [&](size_t begin, size_t end) {
            if (!table.fractions(*air, view, log_height, begin, end, aux, &totals[3 * (begin / GRAIN)],
                                 scratch(table.fraction_scratch))) {
                good = false;
            }
        });
        if (!good) return 0;
        Fp inverse_height = zk::over_power_of_two<1>(Fp{1});
        inverse_height = zk::power(inverse_height, (u64)log_height);
        for (size_t c = 0; c < 3; c++) {
            Fp sum{0};
            for (size_t task = 0; task < tasks; task++) sum = sum + Fp{totals[3 * task + c]};
            total[c] = sum.canonical();
            running_sum(aux + c * height, log_height, sum * inverse_height);
        }
        return 1;
    });
}

extern "C" void zk_add_quotient(const zk::AirEntry* air, const u64* main, const u64* fixed, const u64* aux, size_t stride,
                                int log_height, const u64* uniforms, int selectors, u64* values) {
    return guarded([&] {
        const Kernels& table = kernels_for(*air);
        size_t height = (size_t)1 << log_height;
        // x^N on the two halves: (7 w^i)^N, w^N = -1 for odd i.
        Fp power = zk::power(Fp{SHIFT}, height);
        Fp vanishing[2] = {power - Fp{1}, Fp{0} - power - Fp{1}};
        std::vector<u64> first;
        if (selectors) {
            first.resize(2 * height);
            Points points(log_height + 1, SHIFT);
            zk::PointTable point_table = points.table();
            Fp inverse_height = zk::inverse(Fp{height});
            for (size_t half = 0; half < 2; half++) {
                u64 scale = (vanishing[half] * inverse_height).canonical();
                for_ranges(height, GRAIN, [&](size_t begin, size_t end) {
                    kernels().first_row(point_table, scale, half * height + begin, half * height + end, first.data());
                });
            }
        }
        zk::AirView view{main, fixed, aux, selectors ? first.data() : nullptr, stride, uniforms};
        for (size_t half = 0; half < 2; half++) {
            u64 factor = zk::inverse(vanishing[half]).canonical();
            for_ranges(height, GRAIN, [&](size_t begin, size_t end) {
                table.add_quotient(*air, view, log_height, half * height, begin, end, factor, values, 2 * height);
            });
        }
    });
}

extern "C" void zk_split_quotient(u64* values, u64* extended, int log_height, int log_blowup) {
    return guarded([&] {
        size_t height = (size_t)1 << log_height;
        transform_columns(Transform(log_height + 1, SHIFT, true), values, 2 * height, values, 2 * height, 3);
        Extension extension(log_height, log_blowup);
        for_each(6, [&](size_t column) {
            const u64* from = values + (column % 3) * 2 * height + (column / 3) * height;
            memcpy(extended + (column + 1) * extension.height() - height, from, height * sizeof(u64));
        });
        extension.columns(extended, 6);
    });
}
