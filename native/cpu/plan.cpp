// Tables of roots. A block's twiddle depends on the block's number alone, whatever the layer: in bit-reversed order, block b
// has exp(pi i revfrac(b)), where revfrac(b) reads b's bits after the binary point, lowest first. Each table is a prefix of the
// larger ones.
#include "plan.hpp"

namespace zk_cpu {

using zk::Fp;

namespace {

constexpr u64 ROOT_2_32 = 1753635133440165772ull;  // 7^((p - 1) / 2^32)

// exp(2 pi i revfrac(s) / 2^extra) for s below 2^log_count, inverted if asked: entry s + 2^k = entry s * w_{2^(k + 1 + extra)}.
std::vector<u64> reversed_roots(int log_count, int extra, bool inverse) {
    std::vector<u64> table((size_t)1 << log_count);
    table[0] = 1;
    for (int k = 0; k < log_count; k++) {
        Fp root = root_of_unity(k + 1 + extra);
        if (inverse) root = zk::inverse(root);
        for (size_t s = 0; s < (size_t)1 << k; s++) table[s + ((size_t)1 << k)] = (Fp{table[s]} * root).canonical();
    }
    return table;
}

Fp power(Fp base, u64 exponent) { return zk::power(base, exponent); }

// The radix-4 tables of a transform of length 2^log_size with shift t (x^length - t^length splits first), see ntt.hpp.
std::vector<zk::Twiddles> twiddles(int log_size, Fp shift, bool shifted, bool inverse) {
    int top = log_size & 1;
    std::vector<zk::Twiddles> table;
    if (log_size < 2) return table;
    std::vector<u64> roots = reversed_roots(log_size - 2, 2, inverse);  // exp(pi i revfrac(b) / 2)
    for (int depth = shifted ? top : log_size - 2; depth <= log_size - 2; depth += 2) {
        Fp scale = shifted ? power(shift, (u64)1 << (log_size - depth - 2)) : Fp{1};
        if (inverse) scale = zk::inverse(scale);
        for (size_t b = 0; b < (size_t)1 << depth; b++) {
            Fp t1 = Fp{roots[b]} * scale, t2 = zk::square(t1);
            table.push_back({t1.canonical(), t2.canonical(), (t1 * t2).canonical()});
        }
    }
    return table;
}

}  // namespace

Fp root_of_unity(int log_order) {
    Fp root{ROOT_2_32};
    for (int k = log_order; k < 32; k++) root = zk::square(root);
    return root;
}

Transform::Transform(int log_size, u64 shift, bool inverse) : inverse_(inverse) {
    int log_rows = log_size / 2, log_columns = log_size - log_rows;
    Fp column_shift = power({shift}, (u64)1 << log_columns);
    bool shifted = shift != 1;
    column_table_ = twiddles(log_rows, column_shift, shifted, inverse);
    row_table_ = twiddles(log_columns, {1}, false, inverse);
    row_shifts_ = reversed_roots(log_rows, log_columns, inverse);
    Fp scaled = inverse ? zk::inverse(Fp{shift}) : Fp{shift};
    for (u64& entry : row_shifts_) entry = (Fp{entry} * scaled).canonical();
    Fp first = log_rows ? power(column_shift, (u64)1 << (log_rows - 1)) : Fp{1};
    if (inverse) first = zk::inverse(first);
    plan_.log_rows = log_rows;
    plan_.log_columns = log_columns;
    plan_.column = {log_rows, first.canonical(), column_table_.data(), shifted ? 1 : 0};
    plan_.row = {log_columns, 1, row_table_.data(), 0};
    plan_.row_shifts = row_shifts_.data();
    plan_.scale = inverse ? zk::inverse(power({2}, (u64)log_size)).canonical() : 1;
}

Points::Points(int log_size, u64 shift, int extra, bool inverse) {
    constexpr int LOG_LOW = 10;
    log_low_ = log_size < LOG_LOW ? log_size : LOG_LOW;
    low_ = reversed_roots(log_low_, extra, inverse);
    high_ = reversed_roots(log_size - log_low_, extra + log_low_, inverse);
    for (u64& entry : high_) entry = (Fp{entry} * Fp{shift}).canonical();
}

Points::Points(int log_size, u64 shift) : Points(log_size, shift, 0, false) {}

Points Points::inverses(int log_half) { return Points(log_half, 1, 1, true); }

}  // namespace zk_cpu
