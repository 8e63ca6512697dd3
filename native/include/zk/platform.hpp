// What differs between g++ and nvcc, and nothing else; the only file that asks which compiler reads it.
//
// Rules:
// * ZK_HD marks everything that both sides compile. On the CPU it also forces inlining: the same header is compiled once
//   per instruction set, and a function that is always inlined can never be merged with another set's copy by the linker.
// * ZK_ISA names the instruction set of a translation unit (scalar, avx2, avx512). Every function of zk, and every class with
//   functions, lives in an inline namespace of that name, for the same reason. Plain data (plans, tables) lives in zk itself:
//   it crosses from one set's code to another's.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__CUDACC__)
#define ZK_HD __host__ __device__ inline
#define ZK_HD_FUNCTION __host__ __device__
#else
#define ZK_HD inline __attribute__((always_inline))
#define ZK_HD_FUNCTION __attribute__((noinline))
#endif

#ifndef ZK_ISA
#define ZK_ISA scalar
#endif

namespace zk {

using u32 = uint32_t;
using u64 = uint64_t;
using u128 = unsigned __int128;

}  // namespace zk
