// The part of the C interface for memory: touching and clearing it with all threads.
//
// The system clears a page on the thread that touches it first, so whoever touches decides how many threads do it.
#include <string.h>

#include "kernels.hpp"
#include "parallel.hpp"
#include "zk/interface.h"

using namespace zk_cpu;

namespace {

constexpr size_t PAGE = 4096 / sizeof(u64);
constexpr size_t GRAIN = (size_t)2 << 20;  // words in one task: some huge pages

}  // namespace

extern "C" void zk_touch(u64* words, size_t count) {
    return guarded([&] {
        for_ranges(count, GRAIN, [&](size_t begin, size_t end) {
            for (size_t i = begin; i < end; i += PAGE) *(volatile u64*)(words + i) = 0;
        });
    });
}

extern "C" void zk_clear(u64* words, size_t count) {
    return guarded([&] {
        for_ranges(count, GRAIN, [&](size_t begin, size_t end) { memset(words + begin, 0, (end - begin) * sizeof(u64)); });
    });
}
