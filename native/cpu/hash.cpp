// The hashing part of the C interface: permutations, row hashes, tree levels, grinding.
//
// Rules of the C interface: sizes and ranges are checked by the caller (zisk_actors/backends/cpu.py); words are canonical;
// nothing throws across it.
#include <atomic>

#include "kernels.hpp"
#include "parallel.hpp"

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

// Number of threads for every call that follows; 0 is taken as 1.
extern "C" void zk_set_threads(size_t count) { set_threads(count); }
extern "C" size_t zk_threads() { return threads(); }

// Whether all words are canonical, that is, below p.
extern "C" int zk_all_canonical(const u64* words, size_t count) {
    std::atomic<bool> good{true};
    for_ranges(count, (size_t)1 << 18, [&](size_t begin, size_t end) {
        u64 bad = 0;
        for (size_t i = begin; i < end; i++) bad |= (u64)(words[i] >= zk::P);
        if (bad) good = false;
    });
    return good;
}

// n row-major states of 16 words, permuted in place.
extern "C" void zk_poseidon2_permute(u64* states, size_t n) {
    if (n <= 64) return kernels().permute_states(states, n);
    for_ranges(n, grain(n), [&](size_t begin, size_t end) { kernels().permute_states(states + 16 * begin, end - begin); });
}

// digests (count, 4): the sponge over row i = columns[0][i * stride], ..., columns[width - 1][i * stride].
extern "C" void zk_hash_rows(const u64* const* columns, size_t width, size_t stride, u64 tag, size_t count, u64* digests) {
    for_ranges(count, grain(count),
               [&](size_t begin, size_t end) { kernels().hash_rows(columns, width, stride, tag, begin, end, digests); });
}

// nodes (count, 4) over children (2 count, 4), with injected (count, 4) or null.
extern "C" void zk_compress(const u64* children, const u64* injected, size_t count, u64* nodes) {
    for_ranges(count, grain(count), [&](size_t begin, size_t end) { kernels().compress(children, injected, begin, end, nodes); });
}

// The smallest nonce whose grinding word has `bits` low zero bits. The search goes in batches so that it ends soon after the
// answer.
extern "C" u64 zk_grind(const u64* seed, u64 bits) {
    constexpr u64 TASK = 4096;
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
}
