// Which instruction set this machine runs: cpuid, and whether the system saves the wide registers. ZISK_CPU overrides it.
#include <stdlib.h>
#include <string.h>

#include "kernels.hpp"
#include "zk/interface.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace zk_cpu {
namespace {

const Kernels& choose() {
    const char* wish = getenv("ZISK_CPU");
    if (wish && !strcmp(wish, "scalar")) return kernels_scalar;
#if defined(__x86_64__)
    unsigned a, b, c, d;
    unsigned long long saved = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE)) {
        unsigned low, high;
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        saved = (unsigned long long)high << 32 | low;
    }
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) b = 0;
    bool avx2 = (b & bit_AVX2) && (saved & 0x6) == 0x6;
    bool avx512 = (b & bit_AVX512F) && (b & bit_AVX512DQ) && (b & bit_AVX512VL) && (saved & 0xe6) == 0xe6;
    if (avx512 && !(wish && !strcmp(wish, "avx2"))) return kernels_avx512;
    if (avx2) return kernels_avx2;
#endif
    return kernels_scalar;
}

}  // namespace

const Kernels& kernels() {
    static const Kernels& chosen = choose();
    return chosen;
}

}  // namespace zk_cpu

extern "C" const char* zk_cpu_name() { return zk_cpu::kernels().name; }
