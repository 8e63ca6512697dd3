// Whole transforms of columns, in this thread or over all threads.
#pragma once

#include "plan.hpp"

namespace zk_cpu {

// One column of 2^log_size words, from `from` to `to` (which may be the same), in the calling thread.
void transform_column(const Transform& transform, const u64* from, u64* to);

// (width, 2^log_size) columns, `from_stride` and `to_stride` words apart, over all threads.
void transform_columns(const Transform& transform, const u64* from, size_t from_stride, u64* to, size_t to_stride, size_t width);

// (width, N) coefficients at `columns + N` of (width, 2N) columns become values on 7 * H_2N, in place.
void extend_columns(u64* columns, size_t width, int log_size);

}  // namespace zk_cpu
