// Four Goldilocks elements in one 256-bit register (AVX2), with Fp's interface.
//
// Rules: as in fp.hpp, a lane holds any 64-bit representative and memory holds canonical words. AVX2 compares signed
// numbers only, so both sides of a comparison are shifted by 2^63.
#pragma once

#include <immintrin.h>

#include "zk/fp3.hpp"

namespace zk {
inline namespace ZK_ISA {

struct Fp4 {
    static constexpr size_t lanes = 4;
    __m256i v;

    static ZK_HD Fp4 splat(u64 x) { return {_mm256_set1_epi64x((long long)x)}; }
    static ZK_HD Fp4 load(const u64* from) { return {_mm256_loadu_si256((const __m256i*)from)}; }
    ZK_HD void store(u64* to) const;
};

// Plain 64-bit integers, for poseidon2_pairs.hpp.
ZK_HD __m256i plus(__m256i a, __m256i b) { return _mm256_add_epi64(a, b); }
ZK_HD __m256i minus(__m256i a, __m256i b) { return _mm256_sub_epi64(a, b); }
ZK_HD __m256i both_bits(__m256i a, __m256i b) { return _mm256_and_si256(a, b); }
ZK_HD __m256i low_half(__m256i a) { return _mm256_blend_epi32(a, _mm256_setzero_si256(), 0xaa); }
ZK_HD __m256i multiply_low(__m256i a, __m256i b) { return _mm256_mul_epu32(a, b); }
ZK_HD __m256i upper(__m256i a) { return _mm256_castps_si256(_mm256_movehdup_ps(_mm256_castsi256_ps(a))); }
template <int K>
ZK_HD __m256i shift_left(__m256i a) {
    return _mm256_slli_epi64(a, K);
}
template <int K>
ZK_HD __m256i shift_right(__m256i a) {
    return _mm256_srli_epi64(a, K);
}
// For |a| < 2^62: there is no signed 64-bit shift in AVX2.
template <int K>
ZK_HD __m256i shift_right_signed(__m256i a) {
    __m256i bias = _mm256_set1_epi64x(1ll << 62), shifted = _mm256_set1_epi64x(1ll << (62 - K));
    return _mm256_sub_epi64(_mm256_srli_epi64(_mm256_add_epi64(a, bias), K), shifted);
}

ZK_HD __m256i epsilon4() { return _mm256_set1_epi64x((long long)EPSILON); }

// All ones where a < b, unsigned.
ZK_HD __m256i less4(__m256i a, __m256i b) {
    __m256i top = _mm256_set1_epi64x((long long)(1ull << 63));
    return _mm256_cmpgt_epi64(_mm256_xor_si256(b, top), _mm256_xor_si256(a, top));
}

// One of two by the top bit of `mask`.
ZK_HD __m256i by_top_bit(__m256i mask, __m256i clear, __m256i set) {
    return _mm256_castpd_si256(_mm256_blendv_pd(_mm256_castsi256_pd(clear), _mm256_castsi256_pd(set), _mm256_castsi256_pd(mask)));
}

// a + b for b below 2^63: a carry shows as a top bit that a had and the sum has not.
ZK_HD __m256i add_small(__m256i a, __m256i b) {
    __m256i s = _mm256_add_epi64(a, b);
    return _mm256_add_epi64(s, by_top_bit(_mm256_andnot_si256(s, a), _mm256_setzero_si256(), epsilon4()));
}

// a - p = a + 2^32 - 1 - 2^64, of use where the addition carries.
ZK_HD Fp4 canonicalise(Fp4 a) {
    __m256i less = _mm256_add_epi64(a.v, epsilon4());
    return {by_top_bit(_mm256_andnot_si256(less, a.v), a.v, less)};
}

ZK_HD void Fp4::store(u64* to) const { _mm256_storeu_si256((__m256i*)to, canonicalise(*this).v); }

ZK_HD Fp4 add_canonical(Fp4 a, Fp4 b) {
    __m256i s = _mm256_add_epi64(a.v, b.v);
    return {_mm256_add_epi64(s, _mm256_srli_epi64(less4(s, a.v), 32))};
}
ZK_HD Fp4 sub_canonical(Fp4 a, Fp4 b) {
    __m256i d = _mm256_sub_epi64(a.v, b.v);
    return {_mm256_sub_epi64(d, _mm256_srli_epi64(less4(a.v, b.v), 32))};
}
ZK_HD Fp4 operator+(Fp4 a, Fp4 b) { return add_canonical(a, canonicalise(b)); }
ZK_HD Fp4 operator-(Fp4 a, Fp4 b) { return sub_canonical(a, canonicalise(b)); }

// lo + 2^64 hi as an element, on representatives moved by 2^63 in between.
ZK_HD Fp4 reduce(__m256i lo, __m256i hi) {
    __m256i top = _mm256_set1_epi64x((long long)(1ull << 63));
    __m256i moved = _mm256_xor_si256(lo, top);
    __m256i t = _mm256_sub_epi64(moved, _mm256_srli_epi64(hi, 32));
    t = _mm256_sub_epi64(t, _mm256_srli_epi64(_mm256_cmpgt_epi64(t, moved), 32));
    __m256i r = _mm256_add_epi64(t, _mm256_mul_epu32(hi, epsilon4()));
    r = _mm256_add_epi64(r, _mm256_srli_epi64(_mm256_cmpgt_epi64(t, r), 32));
    return {_mm256_xor_si256(r, top)};
}

ZK_HD Fp4 operator*(Fp4 a, Fp4 b) {
    __m256i ah = upper(a.v), bh = upper(b.v);
    __m256i ll = _mm256_mul_epu32(a.v, b.v), lh = _mm256_mul_epu32(a.v, bh);
    __m256i hl = _mm256_mul_epu32(ah, b.v), hh = _mm256_mul_epu32(ah, bh);
    __m256i t0 = _mm256_add_epi64(hl, _mm256_srli_epi64(ll, 32));
    __m256i t1 = _mm256_add_epi64(lh, _mm256_and_si256(t0, epsilon4()));
    __m256i hi = _mm256_add_epi64(_mm256_add_epi64(hh, _mm256_srli_epi64(t0, 32)), _mm256_srli_epi64(t1, 32));
    return reduce(_mm256_blend_epi32(ll, _mm256_slli_epi64(t1, 32), 0xaa), hi);
}
ZK_HD Fp4 square(Fp4 a) {
    __m256i ah = upper(a.v);
    __m256i ll = _mm256_mul_epu32(a.v, a.v), lh = _mm256_mul_epu32(a.v, ah), hh = _mm256_mul_epu32(ah, ah);
    // a^2 = ll + 2^33 lh + 2^64 hh
    __m256i t = _mm256_add_epi64(lh, _mm256_srli_epi64(ll, 33));
    __m256i low33 = _mm256_and_si256(ll, _mm256_set1_epi64x((1ll << 33) - 1));
    return reduce(_mm256_or_si256(low33, _mm256_slli_epi64(t, 33)), _mm256_add_epi64(hh, _mm256_srli_epi64(t, 31)));
}
ZK_HD Fp4 times_i(Fp4 a) { return reduce(_mm256_slli_epi64(a.v, 48), _mm256_srli_epi64(a.v, 16)); }

template <int K>
ZK_HD Fp4 over_power_of_two(Fp4 a) {
    __m256i high = _mm256_slli_epi64(a.v, 64 - K);
    return sub_canonical({_mm256_srli_epi64(a.v, K)}, {_mm256_sub_epi64(high, _mm256_srli_epi64(high, 32))});
}
template <int K>
ZK_HD Fp4 times_power_of_two(Fp4 a) {
    __m256i high = _mm256_mul_epu32(_mm256_srli_epi64(a.v, 64 - K), epsilon4());
    __m256i r = _mm256_add_epi64(_mm256_slli_epi64(a.v, K), high);
    return {_mm256_add_epi64(r, _mm256_srli_epi64(less4(r, high), 32))};
}
ZK_HD Fp4 over_2_32(Fp4 a) {
    __m256i sum = _mm256_add_epi64(_mm256_srli_epi64(a.v, 32), _mm256_and_si256(a.v, epsilon4()));
    return sub_canonical({sum}, {_mm256_slli_epi64(a.v, 32)});
}

// Four registers as the rows of a 4 x 4 matrix, transposed in place.
ZK_HD void transpose(Fp4 r[4]) {
    __m256i a = _mm256_unpacklo_epi64(r[0].v, r[1].v), b = _mm256_unpackhi_epi64(r[0].v, r[1].v);
    __m256i c = _mm256_unpacklo_epi64(r[2].v, r[3].v), d = _mm256_unpackhi_epi64(r[2].v, r[3].v);
    r[0].v = _mm256_permute2x128_si256(a, c, 0x20);
    r[1].v = _mm256_permute2x128_si256(b, d, 0x20);
    r[2].v = _mm256_permute2x128_si256(a, c, 0x31);
    r[3].v = _mm256_permute2x128_si256(b, d, 0x31);
}

// Entries 0..3 and 4..7 become the even and the odd ones.
ZK_HD void deinterleave(Fp4& a, Fp4& b) {
    __m256i x = _mm256_permute4x64_epi64(_mm256_unpacklo_epi64(a.v, b.v), 0xd8);
    __m256i y = _mm256_permute4x64_epi64(_mm256_unpackhi_epi64(a.v, b.v), 0xd8);
    a.v = x;
    b.v = y;
}

template <>
struct Dot<Fp4> {
    __m256i low0, low1, low2, high0, high1, high2;  // of products with the lower and upper halves of values, by limb

    static ZK_HD Dot zero() {
        __m256i none = _mm256_setzero_si256();
        return {none, none, none, none, none, none};
    }
    static ZK_HD void add_product(__m256i& low, __m256i& high, __m256i value, __m256i top, u64 limb) {
        __m256i factor = _mm256_set1_epi64x((long long)limb);
        low = _mm256_add_epi64(low, _mm256_mul_epu32(value, factor));
        high = _mm256_add_epi64(high, _mm256_mul_epu32(top, factor));
    }
    ZK_HD void add(Fp4 value, const u64* limbs) {
        __m256i top = _mm256_srli_epi64(value.v, 32);
        add_product(low0, high0, value.v, top, limbs[0]);
        add_product(low1, high1, value.v, top, limbs[1]);
        add_product(low2, high2, value.v, top, limbs[2]);
    }
    static ZK_HD Fp4 joined(__m256i low, __m256i high) { return times_power_of_two<32>(Fp4{high}) + Fp4{low}; }
    ZK_HD Fp4 value() const {
        Fp4 upper_two = times_power_of_two<LIMB>(joined(low2, high2)) + joined(low1, high1);
        return times_power_of_two<LIMB>(upper_two) + joined(low0, high0);
    }
};

using Vector = Fp4;

}  // namespace ZK_ISA
}  // namespace zk
