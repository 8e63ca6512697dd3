// The table of what each instruction set provides, and which one this machine runs.
//
// Rules: kernels.cpp is compiled once per instruction set and exports one table; everything that decides (sizes, threads,
// plans) is compiled once, for the baseline. Ranges need not be multiples of the vector: the rest goes one by one.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/air.hpp"
#include "kernels/ntt.hpp"
#include "kernels/openings.hpp"

namespace zk_cpu {

using u64 = uint64_t;

struct Kernels {
    const char* name;
    size_t lanes;

    // 64 values, each squared so many times: products that wait for nothing but their own chain.
    void (*multiply_chains)(u64* values, size_t rounds);
    void (*permute_states)(u64* states, size_t count);
    // Digests of rows [begin, end); row i's word k is columns[k][i * stride].
    void (*hash_rows)(const u64* const* columns, size_t width, size_t stride, u64 tag, size_t begin, size_t end, u64* digests);
    void (*compress)(const u64* children, const u64* injected, size_t begin, size_t end, u64* nodes);
    // The first nonce in [begin, end) with `bits` low zero bits, or end.
    u64 (*grind)(const u64* seed, u64 bits, u64 begin, u64 end);

    // One piece of a pass, see kernels/ntt.hpp: `lanes` rows from r on; width * lanes columns from c on. more: the next piece
    // comes next.
    void (*ntt_rows)(const u64* from, u64* to, const zk::NttPlan& plan, size_t r, bool inverse, bool more, void* scratch);
    void (*ntt_columns)(const u64* from, u64* to, const zk::NttPlan& plan, size_t c, size_t width, bool inverse, bool more,
                        void* scratch);

    // kernels/openings.hpp over entries [begin, end).
    void (*weights)(const zk::PointTable& points, const zk::Pole& pole, size_t begin, size_t end, u64* weights, size_t stride);
    // sums (count, 3): sum over [begin, end) of weights * columns[k], with the weights `stride` apart.
    void (*weighted_sums)(const u64* weights, size_t stride, const u64* const* columns, size_t count, size_t begin, size_t end,
                          u64* sums);
    void (*deep)(const zk::DeepTerm* terms, int term_count, const zk::PointTable& points, size_t begin, size_t end, u64* codeword,
                 size_t stride);
    void (*fold)(const u64* codeword, size_t stride, const zk::PointTable& inverses, const u64* half_beta, size_t begin,
                 size_t end, u64* folded, size_t folded_stride);
    void (*add_scaled)(const u64* left, const u64* right, const u64* scalar, u64* result, size_t stride, int log_lift,
                       size_t begin, size_t end);

    // kernels/logup.hpp and quotient.hpp, with this set's evaluators of an AIR, where there are any; ranges are whole vectors.
    // `total`: three words.
    bool (*evaluates)(const zk::AirEntry& air);
    bool (*fractions)(const zk::AirEntry& air, const zk::AirView& view, int log_height, size_t begin, size_t end, u64* aux,
                      u64* total, void* scratch);
    void (*add_quotient)(const zk::AirEntry& air, const zk::AirView& view, int log_height, size_t base, size_t begin, size_t end,
                         u64 inverse_vanishing, u64* values, size_t stride);
    size_t fraction_scratch;  // bytes
    void (*scan_sums)(const u64* column, int log_size, u64 offset, size_t begin, size_t end, u64* sums);
    void (*scan_apply)(u64* column, int log_size, u64 offset, const u64* sums, size_t begin, size_t end);
    void (*first_row)(const zk::PointTable& points, u64 scale, size_t begin, size_t end, u64* selector);
};

extern const Kernels kernels_scalar;
#if defined(__x86_64__)
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
#endif

// The best table this machine runs, or the one ZISK_CPU names; chosen once.
const Kernels& kernels();

}  // namespace zk_cpu
