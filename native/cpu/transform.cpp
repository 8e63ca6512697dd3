// The order of passes of whole transforms, and the low-degree extension made of them.
//
// A polynomial of N coefficients on shift * H_M, M = 2^b N, bit-reversed, is its values on shift * w_M^bitrev(k) * H_N for k = 0,
// 1, ... 2^b - 1: an extension is one inverse transform and 2^b forward ones of size N, and needs no memory but its result. The
// coefficients wait where the last of these goes.
#include "transform.hpp"

#include "kernels.hpp"
#include "parallel.hpp"
#include "zk/interface.h"

namespace zk_cpu {
namespace {

constexpr u64 SHIFT = 7;
constexpr size_t COLUMNS_AT_ONCE = 32;  // 256 bytes of a row at a time

// Tiny transforms do not fill a vector in both directions.
const Kernels& kernels_for(const zk::NttPlan& plan) {
    size_t smaller = (size_t)1 << (plan.log_rows < plan.log_columns ? plan.log_rows : plan.log_columns);
    return smaller >= kernels().lanes ? kernels() : kernels_scalar;
}

struct Pass {
    const Kernels& kernels;
    const Transform& transform;
    bool by_columns;

    size_t width() const {
        size_t columns = (size_t)1 << transform.plan().log_columns;
        return (columns < COLUMNS_AT_ONCE ? columns : COLUMNS_AT_ONCE) / kernels.lanes;
    }
    size_t pieces() const {
        const zk::NttPlan& plan = transform.plan();
        return by_columns ? ((size_t)1 << plan.log_columns) / (width() * kernels.lanes)
                          : ((size_t)1 << plan.log_rows) / kernels.lanes;
    }
    void run(const u64* from, u64* to, size_t piece) const {
        const zk::NttPlan& plan = transform.plan();
        size_t words = by_columns ? ((size_t)1 << plan.log_rows) * width() : (size_t)1 << plan.log_columns;
        bool more = piece + 1 < pieces();
        void* memory = scratch(words * kernels.lanes * sizeof(u64));
        if (by_columns) {
            kernels.ntt_columns(from, to, plan, piece * width() * kernels.lanes, width(), transform.inverse(), more, memory);
        } else {
            kernels.ntt_rows(from, to, plan, piece * kernels.lanes, transform.inverse(), more, memory);
        }
    }
};

}  // namespace

void transform_column(const Transform& transform, const u64* from, u64* to) {
    const Kernels& table = kernels_for(transform.plan());
    for (int step = 0; step < 2; step++) {
        Pass pass{table, transform, (step == 0) != transform.inverse()};
        for (size_t piece = 0; piece < pass.pieces(); piece++) pass.run(step ? to : from, to, piece);
    }
}

void transform_columns(const Transform& transform, const u64* from, size_t from_stride, u64* to, size_t to_stride, size_t width) {
    if (width >= 2 * threads()) {
        for_each(width,
                 [&](size_t column) { transform_column(transform, from + column * from_stride, to + column * to_stride); });
        return;
    }
    const Kernels& table = kernels_for(transform.plan());
    for (int step = 0; step < 2; step++) {
        Pass pass{table, transform, (step == 0) != transform.inverse()};
        size_t pieces = pass.pieces(), total = pieces * width;
        size_t grain = (total + 4 * threads() - 1) / (4 * threads());
        for_ranges(total, grain, [&](size_t begin, size_t end) {
            for (size_t task = begin; task < end; task++) {
                size_t column = task / pieces;
                u64* target = to + column * to_stride;
                pass.run(step ? target : from + column * from_stride, target, task % pieces);
            }
        });
    }
}

Extension::Extension(int log_size, int log_blowup) : size_((size_t)1 << log_size) {
    for (size_t block = 0; block < (size_t)1 << log_blowup; block++) {
        size_t power = 0;
        for (int bit = 0; bit < log_blowup; bit++) power |= (block >> bit & 1) << (log_blowup - 1 - bit);
        zk::Fp shift = zk::Fp{SHIFT} * zk::power(root_of_unity(log_size + log_blowup), power);
        blocks_.emplace_back(log_size, shift.canonical(), false);
    }
}

void Extension::column(u64* column) const {
    const u64* coefficients = column + (blocks_.size() - 1) * size_;
    for (size_t block = 0; block < blocks_.size(); block++) {
        transform_column(blocks_[block], coefficients, column + block * size_);
    }
}

void Extension::columns(u64* columns, size_t width) const {
    if (width >= 2 * threads()) {
        for_each(width, [&](size_t k) { column(columns + k * height()); });
        return;
    }
    const u64* coefficients = columns + (blocks_.size() - 1) * size_;
    for (size_t block = 0; block < blocks_.size(); block++) {
        transform_columns(blocks_[block], coefficients, height(), columns + block * size_, height(), width);
    }
}

}  // namespace zk_cpu

using namespace zk_cpu;

extern "C" void zk_ntt(const u64* from, u64* to, size_t width, int log_size, u64 shift, int inverse) {
    return guarded([&] {
        size_t size = (size_t)1 << log_size;
        transform_columns(Transform(log_size, shift, inverse != 0), from, size, to, size, width);
    });
}

extern "C" void zk_lde(const u64* trace, u64* extended, size_t width, int log_size, int log_blowup) {
    return guarded([&] {
        size_t size = (size_t)1 << log_size;
        Transform interpolate(log_size, 1, true);
        Extension extension(log_size, log_blowup);
        size_t height = extension.height(), last = height - size;
        if (width >= 2 * threads()) {
            for_each(width, [&](size_t column) {
                u64* at = extended + column * height;
                transform_column(interpolate, trace + column * size, at + last);
                extension.column(at);
            });
            return;
        }
        transform_columns(interpolate, trace, size, extended + last, height, width);
        extension.columns(extended, width);
    });
}
