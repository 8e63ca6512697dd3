// The vector type of this translation unit, by the instruction set that the build compiles it for.
#pragma once

#if defined(ZK_AVX512)
#include "vector_avx512.hpp"
#elif defined(ZK_AVX2)
#include "vector_avx2.hpp"
#else
#include "vector_scalar.hpp"
#endif

#if defined(ZK_AVX512) || defined(ZK_AVX2)
#include "poseidon2_pairs.hpp"
#endif
