// Number-theoretic transforms in two passes over a size N = R * C array seen as R rows of C.
//
// Rules:
// * Forward: natural coefficients to bit-reversed values on shift * H_N. Inverse: the way back. No permutation passes.
// * A forward step splits "polynomial mod x^m - t^2" into "mod x^(m/2) - t" and "mod x^(m/2) + t" (Cooley-Tukey with one
//   twiddle per block, in bit-reversed order). The first pass does the log R upper layers on columns of length R, a vector
//   being adjacent columns; row r is then a polynomial of C coefficients to be evaluated on s_r * H_C with
//   s_r = shift * w_N^bitrev(r). The second pass takes F::lanes rows at a time, a vector being one column of them, scales
//   coefficient c by s_r^c and does the lower layers. So the shift costs nothing in the first pass (it is in its table) and
//   shares the twiddle multiplication of the second.
// * Two layers at a time (radix 4, sqrt(-1) = 2^48). Buffers hold any representatives, memory canonical words.
#pragma once

#include "zk/fp.hpp"

namespace zk {

// For block b of a layer: t, t^2, t^3 (inverse transforms: of 1/t), t being the twiddle of the layer below, block 2b.
struct Twiddles {
    u64 t1, t2, t3;
};

// What both passes read. Tables of radix-4 layers start at depth = log_size & 1, by block; `first` is the twiddle of the
// radix-2 layer that an odd log_size begins with. A table either serves all depths (stride 0: no shift) or follows the
// previous depth's (stride 1).
struct Core {
    int log_size;
    u64 first;
    const Twiddles* table;
    int stride;
};

struct NttPlan {
    int log_rows, log_columns;
    Core column;            // transforms of length R, with shift^C
    Core row;               // transforms of length C, without shift
    const u64* row_shifts;  // s_r, R of them; inverse: 1 / s_r
    u64 scale;              // inverse: 1 / N; forward: 1
};

inline namespace ZK_ISA {

template <class V>
ZK_HD void butterfly4_forward(V* x, size_t quarter, Twiddles w, bool trivial) {
    V x0 = x[0], a = x[quarter], b = x[2 * quarter], d = x[3 * quarter];
    if (!trivial) {
        a = a * V::splat(w.t1);
        b = b * V::splat(w.t2);
        d = d * V::splat(w.t3);
    }
    b = canonicalise(b);
    d = canonicalise(d);
    V s0 = add_canonical(x0, b), s1 = sub_canonical(x0, b);
    V s2 = canonicalise(add_canonical(a, d)), s3 = canonicalise(times_i(sub_canonical(a, d)));
    x[0] = add_canonical(s0, s2);
    x[quarter] = sub_canonical(s0, s2);
    x[2 * quarter] = add_canonical(s1, s3);
    x[3 * quarter] = sub_canonical(s1, s3);
}

template <class V>
ZK_HD void butterfly4_inverse(V* x, size_t quarter, Twiddles w, bool trivial) {
    V o0 = x[0], o1 = canonicalise(x[quarter]), o2 = canonicalise(x[2 * quarter]), o3 = x[3 * quarter];
    V s0 = add_canonical(o0, o1), s1 = sub_canonical(o0, o1);
    V s2 = canonicalise(add_canonical(o3, o2)), s3 = canonicalise(times_i(sub_canonical(o3, o2)));
    V a = add_canonical(s1, s3), b = sub_canonical(s0, s2), d = sub_canonical(s1, s3);
    x[0] = add_canonical(s0, s2);
    if (!trivial) {
        a = a * V::splat(w.t1);
        b = b * V::splat(w.t2);
        d = d * V::splat(w.t3);
    }
    x[quarter] = a;
    x[2 * quarter] = b;
    x[3 * quarter] = d;
}

// The next piece of memory that a pass will read, touched a line at a time between butterflies: rows of `lines` cache lines.
struct Prefetch {
    const u64* next;
    size_t stride;  // words between rows
    size_t lines, rows, line;

    ZK_HD void operator()() {
        if (rows == 0) return;
        __builtin_prefetch(next + 8 * line, 1, 2);
        if (++line == lines) {
            line = 0;
            next += stride;
            rows--;
        }
    }
};

template <class V>
ZK_HD void layer2_forward(V* x, size_t half, u64 first) {
    V w = V::splat(first);
    for (size_t j = 0; j < half; j++) {
        V a = x[j], b = canonicalise(first == 1 ? x[half + j] : x[half + j] * w);
        x[j] = add_canonical(a, b);
        x[half + j] = sub_canonical(a, b);
    }
}

template <class V>
ZK_HD void layer2_inverse(V* x, size_t half, u64 first) {
    V w = V::splat(first);
    for (size_t j = 0; j < half; j++) {
        V a = x[j], b = canonicalise(x[half + j]);
        V d = sub_canonical(a, b);
        x[j] = add_canonical(a, b);
        x[half + j] = first == 1 ? d : d * w;
    }
}

// Blocks of this many vectors stay in the first-level cache while all remaining layers pass over them.
constexpr int LOG_CACHED = 8;

// Where the table of the radix-4 layer at `depth` begins: after 2^(depth-2) + 2^(depth-4) + ... blocks.
ZK_HD size_t table_offset(const Core& core, int depth) {
    return core.stride ? (((size_t)1 << depth) - ((size_t)1 << (core.log_size & 1))) / 3 : 0;
}

template <class V>
inline void layer4_forward(V* x, const Core& core, int depth, size_t block, size_t blocks, Prefetch& prefetch) {
    size_t size = (size_t)1 << (core.log_size - depth), quarter = size >> 2;
    const Twiddles* table = core.table + table_offset(core, depth);
    for (size_t b = block; b < block + blocks; b++) {
        Twiddles w = table[b];
        bool trivial = w.t1 == 1;
        V* at = x + b * size;
        if (trivial) {
            for (size_t j = 0; j < quarter; j++) {
                butterfly4_forward(at + j, quarter, w, true);
                prefetch();
            }
        } else {
            for (size_t j = 0; j < quarter; j++) {
                butterfly4_forward(at + j, quarter, w, false);
                prefetch();
            }
        }
    }
}

template <class V>
inline void layer4_inverse(V* x, const Core& core, int depth, size_t block, size_t blocks, Prefetch& prefetch) {
    size_t size = (size_t)1 << (core.log_size - depth), quarter = size >> 2;
    const Twiddles* table = core.table + table_offset(core, depth);
    for (size_t b = block; b < block + blocks; b++) {
        Twiddles w = table[b];
        bool trivial = w.t1 == 1;
        V* at = x + b * size;
        if (trivial) {
            for (size_t j = 0; j < quarter; j++) {
                butterfly4_inverse(at + j, quarter, w, true);
                prefetch();
            }
        } else {
            for (size_t j = 0; j < quarter; j++) {
                butterfly4_inverse(at + j, quarter, w, false);
                prefetch();
            }
        }
    }
}

template <class V>
inline void forward_core(V* x, const Core& core, Prefetch& prefetch) {
    int depth = core.log_size & 1;
    if (depth) layer2_forward(x, (size_t)1 << (core.log_size - 1), core.first);
    for (; depth < core.log_size && core.log_size - depth > LOG_CACHED; depth += 2) {
        layer4_forward(x, core, depth, 0, (size_t)1 << depth, prefetch);
    }
    size_t roots = (size_t)1 << depth;
    for (size_t root = 0; root < roots; root++) {
        for (int d = depth; d < core.log_size; d += 2) {
            layer4_forward(x, core, d, root << (d - depth), (size_t)1 << (d - depth), prefetch);
        }
    }
}

template <class V>
inline void inverse_core(V* x, const Core& core, Prefetch& prefetch) {
    int top = core.log_size & 1, depth = top;
    while (depth < core.log_size && core.log_size - depth > LOG_CACHED) depth += 2;
    size_t roots = (size_t)1 << depth;
    for (size_t root = 0; root < roots; root++) {
        for (int d = core.log_size - 2; d >= depth; d -= 2) {
            layer4_inverse(x, core, d, root << (d - depth), (size_t)1 << (d - depth), prefetch);
        }
    }
    for (int d = depth - 2; d >= top; d -= 2) layer4_inverse(x, core, d, 0, (size_t)1 << d, prefetch);
    if (top) layer2_inverse(x, (size_t)1 << (core.log_size - 1), core.first);
}

// Columns [c, c + width * lanes) of the R x C array, from `from` to `to` (which may be the same). Scratch: R * width vectors.
// `more`: whether the next piece of the array will be asked for next.
template <class V>
inline void column_pass(const u64* from, u64* to, const NttPlan& plan, size_t c, size_t width, bool inverse, bool more,
                        V* scratch) {
    size_t rows = (size_t)1 << plan.log_rows, columns = (size_t)1 << plan.log_columns, piece = width * V::lanes;
    Prefetch prefetch{from + c + piece, columns, (piece + 7) / 8, more ? rows : 0, 0};
    for (size_t r = 0; r < rows; r++) {
        for (size_t k = 0; k < width; k++) scratch[k * rows + r] = V::load(from + r * columns + c + k * V::lanes);
    }
    for (size_t k = 0; k < width; k++) {
        if (inverse) {
            inverse_core(scratch + k * rows, plan.column, prefetch);
        } else {
            forward_core(scratch + k * rows, plan.column, prefetch);
        }
    }
    for (size_t r = 0; r < rows; r++) {
        for (size_t k = 0; k < width; k++) scratch[k * rows + r].store(to + r * columns + c + k * V::lanes);
    }
}

// Rows [r, r + lanes), likewise. Scratch: C vectors.
template <class V>
inline void row_pass(const u64* from, u64* to, const NttPlan& plan, size_t r, bool inverse, bool more, V* scratch) {
    constexpr size_t L = V::lanes;
    size_t columns = (size_t)1 << plan.log_columns;
    Prefetch prefetch{from + (r + L) * columns, columns, (columns + 7) / 8, more ? L : 0, 0};
    V shift = V::load(plan.row_shifts + r), step = shift, factor[L];
    factor[0] = V::splat(plan.scale);
    for (size_t j = 1; j < L; j++) factor[j] = factor[j - 1] * shift;
    for (size_t j = 1; j < L; j <<= 1) step = step * step;
    V block[L];
    for (size_t c = 0; c < columns; c += L) {
        for (size_t i = 0; i < L; i++) block[i] = V::load(from + (r + i) * columns + c);
        transpose(block);
        for (size_t j = 0; j < L; j++) {
            if (!inverse) {
                block[j] = block[j] * factor[j];
                factor[j] = factor[j] * step;
            }
            scratch[c + j] = block[j];
        }
    }
    if (inverse) {
        inverse_core(scratch, plan.row, prefetch);
    } else {
        forward_core(scratch, plan.row, prefetch);
    }
    for (size_t c = 0; c < columns; c += L) {
        for (size_t j = 0; j < L; j++) {
            block[j] = scratch[c + j];
            if (inverse) {
                block[j] = block[j] * factor[j];
                factor[j] = factor[j] * step;
            }
        }
        transpose(block);
        for (size_t i = 0; i < L; i++) block[i].store(to + (r + i) * columns + c);
    }
}

}  // namespace ZK_ISA
}  // namespace zk
