// The native verifier as a fuzzer sees it: one function, compiled with
// sanitizers and with coverage that libFuzzer understands.
//
// g++ calls __sanitizer_cov_trace_pc at every edge; libFuzzer wants counters. A
// counter per hash of an edge's address does.
#define ZK_UNCOVERED __attribute__((no_sanitize("address", "undefined"), no_sanitize_coverage))

#include <sanitizer/asan_interface.h>

#include "verifier/verify.hpp"

namespace {

// A copy of bytes with nothing behind them: one byte too far is an error. The
// allocator is not the sanitizer's here.
template <size_t ROOM>
class Guarded {
  public:
    ZK_UNCOVERED zk::Blob hold(const unsigned char* data, zk::u64 size) {
        __asan_unpoison_memory_region(memory_, ROOM + 8);
        size_t start = ROOM - size;
        for (size_t i = 0; i < size; i++) memory_[start + i] = data[i];
        __asan_poison_memory_region(memory_ + ROOM, 8);
        return {memory_ + start, size};
    }

  private:
    alignas(8) unsigned char memory_[ROOM + 8];
};

constexpr size_t ROOM = 1 << 20;
Guarded<ROOM> proof_bytes, key_bytes;
alignas(8) unsigned char arena[8 << 20];

constexpr size_t COUNTERS = 1 << 14;
unsigned char counters[COUNTERS];
uintptr_t places[2 * COUNTERS];  // what libFuzzer calls a PC table; nobody reads it

}  // namespace

extern "C" {

void __sanitizer_cov_8bit_counters_init(unsigned char* begin, unsigned char* end) __attribute__((weak));
void __sanitizer_cov_pcs_init(const uintptr_t* begin, const uintptr_t* end) __attribute__((weak));

ZK_UNCOVERED void __sanitizer_cov_trace_pc() {
    uintptr_t place = (uintptr_t)__builtin_return_address(0);
    counters[(place ^ place >> 14) % COUNTERS]++;
}

// Tells libFuzzer of the counters; 0 where there is none in this process.
ZK_UNCOVERED int zk_fuzz_begin() {
    if (!__sanitizer_cov_8bit_counters_init || !__sanitizer_cov_pcs_init) return 0;
    for (size_t i = 0; i < 2 * COUNTERS; i++) places[i] = i % 2 ? 0 : (uintptr_t)&counters[i / 2];
    __sanitizer_cov_8bit_counters_init(counters, counters + COUNTERS);
    __sanitizer_cov_pcs_init(places, places + 2 * COUNTERS);
    return 1;
}

// The verdict of two files of at most a mebibyte each.
zk::u32 zk_fuzz_verify(const unsigned char* proof, zk::u64 proof_size, const unsigned char* key, zk::u64 key_size,
                       const zk::ChipSet* chips) {
    if (proof_size > ROOM || key_size > ROOM || zk::arena_bytes(*chips) > sizeof arena) __builtin_trap();
    static zk::Outcome outcome;
    zk::Arena memory(arena, zk::arena_bytes(*chips));
    zk::verify<zk::Fp>(proof_bytes.hold(proof, proof_size), key_bytes.hold(key, key_size), 0, *chips, memory, outcome);
    return (zk::u32)outcome.verdict;
}
}
