// The hashing part of the C interface: permutations, row hashes, tree levels, grinding.
//
// The rules of the interface, and what its functions do, are said in zk/interface.h.
#include <atomic>

#include "kernels.hpp"
#include "parallel.hpp"
#include "zk/interface.h"

using namespace zk_cpu;

namespace {

constexpr size_t GRAIN = 1024;  // rows or nodes in one task: about half a millisecond

// Whole vectors per task, and no more tasks than there is work for.
size_t grain(size_t count) {
    size_t share = (count + threads() - 1) / threads();
    size_t size = share < GRAIN ? share : GRAIN;
    return size < 64 ? 64 : (size + 63) / 64 * 64;
}

}  // namespace

extern "C" void zk_set_threads(size_t count) { set_threads(count); }
extern "C" int zk_out_of_memory() {
    bool was = out_of_memory();
    out_of_memory() = false;
    return was;
}
extern "C" size_t zk_threads() { return threads(); }

extern "C" int zk_all_canonical(const u64* words, size_t count) {
    return guarded([&]() -> int {
        std::atomic<bool> good{true};
        for_ranges(count, (size_t)1 << 18, [&](size_t begin, size_t end) {
            u64 bad = 0;
            for (size_t i = begin; i < end; i++) bad |= (u64)(words[i] >= zk::P);
            if (bad) good = false;
        });
        return good;
    });
}

extern "C" void zk_multiply_chains(u64* values, size_t rounds) { kernels().multiply_chains(values, rounds); }

extern "C" void zk_poseidon2_permute(u64* states, size_t n) {
    return guarded([&] {
        if (n <= 64) return kernels().permute_states(states, n);
        for_ranges(n, grain(n), [&](size_t begin, size_t end) { kernels().permute_states(states + 16 * begin, end - begin); });
    });
}

extern "C" void zk_hash_rows(const u64* const* columns, size_t width, size_t stride, u64 tag, size_t count, u64* digests) {
    return guarded([&] {
        for_ranges(count, grain(count),
                   [&](size_t begin, size_t end) { kernels().hash_rows(columns, width, stride, tag, begin, end, digests); });
    });
}

extern "C" void zk_compress(const u64* children, const u64* injected, size_t count, u64* nodes) {
    return guarded([&] {
        for_ranges(count, grain(count),
                   [&](size_t begin, size_t end) { kernels().compress(children, injected, begin, end, nodes); });
    });
}

extern "C" u64 zk_grind(const u64* seed, u64 bits) {
    return guarded([&]() -> u64 {
        constexpr u64 TASK = 4096;  // batches, so that the search ends soon after the answer
        for (u64 start = 0;; start += TASK * threads()) {
            size_t tasks = threads();
            u64 found[256];
            if (tasks > 256) tasks = 256;
            for_each(tasks, [&](size_t task) {
                u64 begin = start + task * TASK;
                u64 nonce = kernels().grind(seed, bits, begin, begin + TASK);
                found[task] = nonce == begin + TASK ? ~0ull : nonce;
            });
            for (size_t task = 0; task < tasks; task++) {
                if (found[task] != ~0ull) return found[task];
            }
            if (threads() > tasks) start -= TASK * (threads() - tasks);
        }
    });
}
