// The table of what each instruction set provides, and which one this machine runs.
//
// Rules: kernels.cpp is compiled once per instruction set and exports one table; everything that decides (sizes, threads,
// plans) is compiled once, for the baseline. Ranges need not be multiples of the vector: the rest goes one by one.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/ntt.hpp"

namespace zk_cpu {

using u64 = uint64_t;

struct Kernels {
    const char* name;
    size_t lanes;

    void (*permute_states)(u64* states, size_t count);
    // Digests of rows [begin, end); row i's word k is columns[k][i * stride].
    void (*hash_rows)(const u64* const* columns, size_t width, size_t stride, u64 tag, size_t begin, size_t end, u64* digests);
    void (*compress)(const u64* children, const u64* injected, size_t begin, size_t end, u64* nodes);
    // The first nonce in [begin, end) with `bits` low zero bits, or end.
    u64 (*grind)(const u64* seed, u64 bits, u64 begin, u64 end);

    // One piece of a pass, see kernels/ntt.hpp: `lanes` rows from r on; width * lanes columns from c on.
    void (*ntt_rows)(const u64* from, u64* to, const zk::NttPlan& plan, size_t r, bool inverse, void* scratch);
    void (*ntt_columns)(const u64* from, u64* to, const zk::NttPlan& plan, size_t c, size_t width, bool inverse, void* scratch);
};

extern const Kernels kernels_scalar;
#if defined(__x86_64__)
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
#endif

// The best table this machine runs, or the one ZISK_CPU names; chosen once.
const Kernels& kernels();

}  // namespace zk_cpu
