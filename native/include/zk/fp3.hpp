// The cubic extension F[x]/(x^3 - x - 1) over any field type F with Fp's interface.
//
// In memory an extension scalar is three canonical words (coefficients of 1, x, x^2), an extension column three base columns.
#pragma once

#include "fp.hpp"

namespace zk {
inline namespace ZK_ISA {

template <class F>
struct Fp3 {
    F c0, c1, c2;

    static ZK_HD Fp3 splat(const u64* words) { return {F::splat(words[0]), F::splat(words[1]), F::splat(words[2])}; }
    // Entry `index` of an extension column whose base columns lie `stride` words apart.
    static ZK_HD Fp3 load(const u64* column, size_t stride, size_t index) {
        return {F::load(column + index), F::load(column + stride + index), F::load(column + 2 * stride + index)};
    }
    ZK_HD void store(u64* column, size_t stride, size_t index) const {
        c0.store(column + index);
        c1.store(column + stride + index);
        c2.store(column + 2 * stride + index);
    }
};

template <class F>
ZK_HD Fp3<F> zero3() {
    return {F::splat(0), F::splat(0), F::splat(0)};
}

template <class F>
ZK_HD Fp3<F> operator+(Fp3<F> a, Fp3<F> b) {
    return {a.c0 + b.c0, a.c1 + b.c1, a.c2 + b.c2};
}
template <class F>
ZK_HD Fp3<F> operator-(Fp3<F> a, Fp3<F> b) {
    return {a.c0 - b.c0, a.c1 - b.c1, a.c2 - b.c2};
}
template <class F>
ZK_HD Fp3<F> operator+(Fp3<F> a, F b) {
    return {a.c0 + b, a.c1, a.c2};
}
template <class F>
ZK_HD Fp3<F> operator+(F a, Fp3<F> b) {
    return b + a;
}
template <class F>
ZK_HD Fp3<F> operator-(Fp3<F> a, F b) {
    return {a.c0 - b, a.c1, a.c2};
}
template <class F>
ZK_HD Fp3<F> operator-(F a, Fp3<F> b) {
    return {a - b.c0, F::splat(0) - b.c1, F::splat(0) - b.c2};
}
template <class F>
ZK_HD Fp3<F> operator*(Fp3<F> a, F b) {
    return {a.c0 * b, a.c1 * b, a.c2 * b};
}
template <class F>
ZK_HD Fp3<F> operator*(F a, Fp3<F> b) {
    return b * a;
}

template <int K, class F>
ZK_HD Fp3<F> times_power_of_two(Fp3<F> a) {
    return {times_power_of_two<K>(a.c0), times_power_of_two<K>(a.c1), times_power_of_two<K>(a.c2)};
}
template <class F>
ZK_HD Fp3<F> over_2_32(Fp3<F> a) {
    return {over_2_32(a.c0), over_2_32(a.c1), over_2_32(a.c2)};
}

// Six multiplications (Karatsuba on pairs): c3 = a1 b2 + a2 b1 and c4 = a2 b2 fold back by x^3 = x + 1, x^4 = x^2 + x.
template <class F>
ZK_HD Fp3<F> operator*(Fp3<F> a, Fp3<F> b) {
    F p0 = a.c0 * b.c0, p1 = a.c1 * b.c1, p2 = a.c2 * b.c2;
    F q01 = (a.c0 + a.c1) * (b.c0 + b.c1);  // p0 + p1 + a0 b1 + a1 b0
    F q02 = (a.c0 + a.c2) * (b.c0 + b.c2);
    F q12 = (a.c1 + a.c2) * (b.c1 + b.c2);
    F s = p1 + p2;
    F c3 = q12 - s;
    // c0 = p0 + c3;  c1 = q01 - p0 - p1 + c3 + p2 = q01 + q12 - p0 - 2 p1;  c2 = q02 - p0 - p2 + p1 + p2 = q02 - p0 + p1
    return {p0 + c3, (q01 + q12) - (p0 + (p1 + p1)), (q02 + p1) - p0};
}

template <class F>
ZK_HD Fp3<F> square(Fp3<F> a) {
    return a * a;
}

// The adjugate and the norm of a: a * adjugate = norm, an element of the base field. Cramer's rule on the matrix of
// multiplication by a; the norm is zero only for a = 0.
template <class F>
struct Adjugate {
    Fp3<F> adjugate;
    F norm;
};

template <class F>
ZK_HD Adjugate<F> adjugate(Fp3<F> a) {
    F s = a.c0 + a.c2, t = a.c1 + a.c2;
    F m0 = s * s - t * a.c1;
    F m1 = t * a.c2 - a.c1 * s;
    F m2 = a.c1 * a.c1 - s * a.c2;
    return {{m0, m1, m2}, a.c0 * m0 + a.c2 * m1 + a.c1 * m2};
}

template <class F>
ZK_HD Fp3<F> inverse(Fp3<F> a) {
    Adjugate<F> x = adjugate(a);
    return x.adjugate * inverse(x.norm);
}

}  // namespace ZK_ISA
}  // namespace zk
