// What the emitted evaluators of an AIR (zisk_actors/air/emit.py) read and give, and how rows follow each other.
//
// Rules: an evaluator handles F::lanes rows from `row` on. "Next row" of entry s of a bit-reversed column of 2^n entries is
// bitrev(bitrev(s) + 1): entries of one aligned vector have their next rows in one aligned vector, lane by lane, except the
// last vector, whose lanes wrap around; there, callers use the evaluator of one lane. An LDE column is two such columns.
#pragma once

#include "zk/fp3.hpp"

// Emitted functions, and the extension arithmetic they are made of, stay functions: inlined, they outgrow the instruction cache
// and the compiler's patience.
#define ZK_EMITTED ZK_HD_FUNCTION

namespace zk {

struct AirView {
    const u64 *main, *fixed, *aux;  // column-major, null where there is none
    const u64* first;               // the first row's selector, null if nobody reads it; the last row's is that of the next row
    size_t stride;                  // words between columns
    const u64* uniforms;            // extension scalars: see emit.py
};

// Evaluators for one instruction set. `total`: an Fp3<F>, sum_k gamma^k c_k. `fractions`: per pair of interactions an
// Fp3<F> numerator and an Fp3<F> denominator.
struct AirFunctions {
    void (*constraints)(const AirView& view, size_t row, size_t next, void* total);
    void (*fractions)(const AirView& view, size_t row, size_t next, void* fractions);
};

struct AirEntry {
    unsigned char digest[32];
    const char* name;
    size_t pairs;
    const AirFunctions* scalar;
    const AirFunctions *avx2, *avx512;  // null where the build has none
};

// Storage entry of the next row within 2^log_size entries, or 2^log_size after the last one: the carry runs from the top bit
// down.
inline size_t next_entry(size_t s, int log_size) {
    size_t size = (size_t)1 << log_size;
    size_t zeros = ~s & (size - 1);
    if (zeros == 0) return size;
    size_t bit = (size_t)1 << (8 * sizeof(size_t) - 1 - __builtin_clzl(zeros));
    return (s & (bit - 1)) | bit;
}

inline namespace ZK_ISA {

template <class F>
ZK_HD Fp3<F> add_canonical(Fp3<F> a, Fp3<F> b) {
    return {add_canonical(a.c0, b.c0), add_canonical(a.c1, b.c1), add_canonical(a.c2, b.c2)};
}
template <class F>
ZK_HD Fp3<F> sub_canonical(Fp3<F> a, Fp3<F> b) {
    return {sub_canonical(a.c0, b.c0), sub_canonical(a.c1, b.c1), sub_canonical(a.c2, b.c2)};
}
template <class F>
ZK_HD Fp3<F> add_canonical(Fp3<F> a, F b) {
    return {add_canonical(a.c0, b), a.c1, a.c2};
}
template <class F>
ZK_HD Fp3<F> sub_canonical(Fp3<F> a, F b) {
    return {sub_canonical(a.c0, b), a.c1, a.c2};
}

template <class F>
ZK_EMITTED Fp3<F> product(const Fp3<F>& a, const Fp3<F>& b) {
    return a * b;
}
template <class F>
ZK_EMITTED Fp3<F> scaled(const Fp3<F>& a, F b) {
    return a * b;
}
// a + uniform * b
template <class F>
ZK_EMITTED Fp3<F> plus_product(const Fp3<F>& a, const u64* uniform, F b) {
    return a + Fp3<F>::splat(uniform) * b;
}
// total += uniform * value
template <class F>
ZK_EMITTED void accumulate(Fp3<F>& total, const u64* uniform, F value) {
    total = total + Fp3<F>::splat(uniform) * value;
}
template <class F>
ZK_EMITTED void accumulate(Fp3<F>& total, const u64* uniform, const Fp3<F>& value) {
    total = total + Fp3<F>::splat(uniform) * value;
}

// The leaves, as the emitted code names them.
template <class F>
struct Leaves {
    const AirView& view;
    size_t row, next;

    ZK_HD F main(size_t column, size_t at) const { return F::load(view.main + column * view.stride + at); }
    ZK_HD F fixed(size_t column, size_t at) const { return F::load(view.fixed + column * view.stride + at); }
    ZK_HD Fp3<F> aux(size_t column, size_t at) const {
        return Fp3<F>::load(view.aux + 3 * column * view.stride, view.stride, at);
    }
    ZK_HD F first() const { return F::load(view.first + row); }
    ZK_HD F last() const { return F::load(view.first + next); }
    ZK_HD Fp3<F> uniform(size_t index) const { return Fp3<F>::splat(words(index)); }
    ZK_HD const u64* words(size_t index) const { return view.uniforms + 3 * index; }
};

template <class F>
struct Fraction {
    Fp3<F> numerator, denominator;
};

// Calls one lane at a time where lanes do not stay aligned: rows row..row+lanes-1, the next row of each given by next(row).
template <class F, class Next, class Evaluate>
inline void one_by_one(size_t row, const Next& next, Fp3<F>* results, size_t count, const Evaluate& evaluate) {
    u64 words[64][3][F::lanes];
    for (size_t lane = 0; lane < F::lanes; lane++) {
        Fp3<Fp> values[64];
        evaluate(row + lane, next(row + lane), values);
        for (size_t i = 0; i < count; i++) {
            values[i].c0.store(&words[i][0][lane]);
            values[i].c1.store(&words[i][1][lane]);
            values[i].c2.store(&words[i][2][lane]);
        }
    }
    for (size_t i = 0; i < count; i++) results[i] = {F::load(words[i][0]), F::load(words[i][1]), F::load(words[i][2])};
}

}  // namespace ZK_ISA
}  // namespace zk
