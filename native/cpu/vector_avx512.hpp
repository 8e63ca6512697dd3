// Eight Goldilocks elements in one 512-bit register (AVX-512 F, DQ, VL), with Fp's interface.
//
// Rules: as in fp.hpp, a lane holds any 64-bit representative and memory holds canonical words. The carry fix-ups are masked
// additions. Comparisons, shifts and shuffles have one port each, plain additions and 32-bit multiplications two, which is
// what the choices below balance.
#pragma once

#include <immintrin.h>

#include "zk/fp3.hpp"

namespace zk {
inline namespace ZK_ISA {

struct Fp8 {
    static constexpr size_t lanes = 8;
    __m512i v;

    static ZK_HD Fp8 splat(u64 x) { return {_mm512_set1_epi64((long long)x)}; }
    static ZK_HD Fp8 load(const u64* from) { return {_mm512_loadu_si512(from)}; }
    ZK_HD void store(u64* to) const;
};

// Plain 64-bit integers, for poseidon2_pairs.hpp.
ZK_HD __m512i plus(__m512i a, __m512i b) { return _mm512_add_epi64(a, b); }
ZK_HD __m512i minus(__m512i a, __m512i b) { return _mm512_sub_epi64(a, b); }
ZK_HD __m512i both_bits(__m512i a, __m512i b) { return _mm512_and_si512(a, b); }
ZK_HD __m512i low_half(__m512i a) { return _mm512_and_si512(a, _mm512_set1_epi64((long long)EPSILON)); }
ZK_HD __m512i multiply_low(__m512i a, __m512i b) { return _mm512_mul_epu32(a, b); }
template <int K>
ZK_HD __m512i shift_left(__m512i a) {
    return _mm512_slli_epi64(a, K);
}
template <int K>
ZK_HD __m512i shift_right(__m512i a) {
    return _mm512_srli_epi64(a, K);
}
template <int K>
ZK_HD __m512i shift_right_signed(__m512i a) {
    return _mm512_srai_epi64(a, K);
}

ZK_HD __m512i epsilon8() { return _mm512_set1_epi64((long long)EPSILON); }
ZK_HD __m512i p8() { return _mm512_set1_epi64((long long)P); }

// x - p wraps to something larger exactly when x < p.
ZK_HD Fp8 canonicalise(Fp8 a) { return {_mm512_min_epu64(a.v, _mm512_sub_epi64(a.v, p8()))}; }

ZK_HD void Fp8::store(u64* to) const { _mm512_storeu_si512(to, canonicalise(*this).v); }

ZK_HD Fp8 add_canonical(Fp8 a, Fp8 b) {
    __m512i s = _mm512_add_epi64(a.v, b.v);
    return {_mm512_mask_sub_epi64(s, _mm512_cmplt_epu64_mask(s, a.v), s, p8())};
}
ZK_HD Fp8 sub_canonical(Fp8 a, Fp8 b) {
    __m512i d = _mm512_sub_epi64(a.v, b.v);
    return {_mm512_mask_add_epi64(d, _mm512_cmplt_epu64_mask(a.v, b.v), d, p8())};
}
ZK_HD __m512i add_small(__m512i a, __m512i b) { return add_canonical({a}, {b}).v; }
ZK_HD Fp8 operator+(Fp8 a, Fp8 b) { return add_canonical(a, canonicalise(b)); }
ZK_HD Fp8 operator-(Fp8 a, Fp8 b) { return sub_canonical(a, canonicalise(b)); }

// lo + 2^64 hi as an element.
ZK_HD Fp8 reduce(__m512i lo, __m512i hi) {
    __m512i top = _mm512_srli_epi64(hi, 32);
    __m512i t = _mm512_sub_epi64(lo, top);
    t = _mm512_mask_add_epi64(t, _mm512_cmplt_epu64_mask(lo, top), t, p8());
    __m512i mid = _mm512_mul_epu32(hi, epsilon8());
    __m512i r = _mm512_add_epi64(t, mid);
    return {_mm512_mask_sub_epi64(r, _mm512_cmplt_epu64_mask(r, mid), r, p8())};
}

// The upper halves of all lanes, moved down by a shuffle (the lower half of the result is what multiplications read).
ZK_HD __m512i upper(__m512i x) { return _mm512_castps_si512(_mm512_movehdup_ps(_mm512_castsi512_ps(x))); }
// The lower halves of x moved up over the lower halves of base.
ZK_HD __m512i lower_up(__m512i base, __m512i x) {
    return _mm512_castps_si512(_mm512_mask_moveldup_ps(_mm512_castsi512_ps(base), 0xaaaa, _mm512_castsi512_ps(x)));
}

struct Wide8 {
    __m512i lo, hi;
};

ZK_HD Wide8 multiply_wide(__m512i a, __m512i b) {
    __m512i ah = upper(a), bh = upper(b);
    __m512i ll = _mm512_mul_epu32(a, b), lh = _mm512_mul_epu32(a, bh);
    __m512i hl = _mm512_mul_epu32(ah, b), hh = _mm512_mul_epu32(ah, bh);
    __m512i t0 = _mm512_add_epi64(hl, _mm512_srli_epi64(ll, 32));
    __m512i t1 = _mm512_add_epi64(lh, _mm512_and_si512(t0, epsilon8()));
    __m512i hi = _mm512_add_epi64(_mm512_add_epi64(hh, _mm512_srli_epi64(t0, 32)), _mm512_srli_epi64(t1, 32));
    return {lower_up(ll, t1), hi};
}

ZK_HD Wide8 square_wide(__m512i a) {
    __m512i ah = upper(a);
    __m512i ll = _mm512_mul_epu32(a, a), lh = _mm512_mul_epu32(a, ah), hh = _mm512_mul_epu32(ah, ah);
    // a^2 = ll + 2^33 lh + 2^64 hh: bits 0..32 come from ll, the ternary operation picks them
    __m512i t = _mm512_add_epi64(lh, _mm512_srli_epi64(ll, 33));
    __m512i low33 = _mm512_set1_epi64((1ll << 33) - 1);
    __m512i lo = _mm512_ternarylogic_epi64(low33, ll, _mm512_slli_epi64(t, 33), 0xca);
    return {lo, _mm512_add_epi64(hh, _mm512_srli_epi64(t, 31))};
}

ZK_HD Fp8 operator*(Fp8 a, Fp8 b) {
    Wide8 x = multiply_wide(a.v, b.v);
    return reduce(x.lo, x.hi);
}
ZK_HD Fp8 square(Fp8 a) {
    Wide8 x = square_wide(a.v);
    return reduce(x.lo, x.hi);
}
ZK_HD Fp8 times_i(Fp8 a) { return reduce(_mm512_slli_epi64(a.v, 48), _mm512_srli_epi64(a.v, 16)); }

template <int K>
ZK_HD Fp8 over_power_of_two(Fp8 a) {
    __m512i high = _mm512_slli_epi64(a.v, 64 - K);
    return sub_canonical({_mm512_srli_epi64(a.v, K)}, {_mm512_sub_epi64(high, _mm512_srli_epi64(high, 32))});
}
template <int K>
ZK_HD Fp8 times_power_of_two(Fp8 a) {
    __m512i high = _mm512_mul_epu32(_mm512_srli_epi64(a.v, 64 - K), epsilon8());
    __m512i r = _mm512_add_epi64(_mm512_slli_epi64(a.v, K), high);
    return {_mm512_mask_sub_epi64(r, _mm512_cmplt_epu64_mask(r, high), r, p8())};
}
ZK_HD Fp8 over_2_32(Fp8 a) {
    __m512i sum = _mm512_add_epi64(_mm512_srli_epi64(a.v, 32), _mm512_and_si512(a.v, epsilon8()));
    return sub_canonical({sum}, {_mm512_slli_epi64(a.v, 32)});
}

// Eight registers as the rows of an 8 x 8 matrix, transposed in place.
ZK_HD void transpose(Fp8 r[8]) {
    __m512i a[8], b[8];
    for (int i = 0; i < 4; i++) {
        a[2 * i] = _mm512_unpacklo_epi64(r[2 * i].v, r[2 * i + 1].v);
        a[2 * i + 1] = _mm512_unpackhi_epi64(r[2 * i].v, r[2 * i + 1].v);
    }
    // a[2i+e] holds, per 128-bit block k, entries (2i, 2k+e), (2i+1, 2k+e)
    for (int e = 0; e < 2; e++) {
        b[e] = _mm512_shuffle_i64x2(a[e], a[2 + e], 0x88);      // rows 0..3, blocks 0 and 2
        b[2 + e] = _mm512_shuffle_i64x2(a[e], a[2 + e], 0xdd);  // rows 0..3, blocks 1 and 3
        b[4 + e] = _mm512_shuffle_i64x2(a[4 + e], a[6 + e], 0x88);
        b[6 + e] = _mm512_shuffle_i64x2(a[4 + e], a[6 + e], 0xdd);
    }
    for (int e = 0; e < 2; e++) {
        r[e].v = _mm512_shuffle_i64x2(b[e], b[4 + e], 0x88);          // column e
        r[4 + e].v = _mm512_shuffle_i64x2(b[e], b[4 + e], 0xdd);      // column 4 + e
        r[2 + e].v = _mm512_shuffle_i64x2(b[2 + e], b[6 + e], 0x88);  // column 2 + e
        r[6 + e].v = _mm512_shuffle_i64x2(b[2 + e], b[6 + e], 0xdd);
    }
}

// Entries 0..7 and 8..15 become the even and the odd ones.
ZK_HD void deinterleave(Fp8& a, Fp8& b) {
    __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    __m512i x = _mm512_permutex2var_epi64(a.v, even, b.v), y = _mm512_permutex2var_epi64(a.v, odd, b.v);
    a.v = x;
    b.v = y;
}

template <>
struct Dot<Fp8> {
    __m512i low0, low1, low2, high0, high1, high2;  // of products with the lower and upper halves of values, by limb

    static ZK_HD Dot zero() {
        __m512i none = _mm512_setzero_si512();
        return {none, none, none, none, none, none};
    }
    static ZK_HD void add_product(__m512i& low, __m512i& high, __m512i value, __m512i top, u64 limb) {
        __m512i factor = _mm512_set1_epi64((long long)limb);
        low = _mm512_add_epi64(low, _mm512_mul_epu32(value, factor));
        high = _mm512_add_epi64(high, _mm512_mul_epu32(top, factor));
    }
    ZK_HD void add(Fp8 value, const u64* limbs) {
        __m512i top = upper(value.v);
        add_product(low0, high0, value.v, top, limbs[0]);
        add_product(low1, high1, value.v, top, limbs[1]);
        add_product(low2, high2, value.v, top, limbs[2]);
    }
    static ZK_HD Fp8 joined(__m512i low, __m512i high) { return times_power_of_two<32>(Fp8{high}) + Fp8{low}; }
    ZK_HD Fp8 value() const {
        Fp8 upper_two = times_power_of_two<LIMB>(joined(low2, high2)) + joined(low1, high1);
        return times_power_of_two<LIMB>(upper_two) + joined(low0, high0);
    }
};

using Vector = Fp8;

}  // namespace ZK_ISA
}  // namespace zk
