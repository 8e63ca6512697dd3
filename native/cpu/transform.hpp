// Whole transforms of columns, in this thread or over all threads.
#pragma once

#include <vector>

#include "plan.hpp"

namespace zk_cpu {

// One column of 2^log_size words, from `from` to `to` (which may be the same), in the calling thread.
void transform_column(const Transform& transform, const u64* from, u64* to);

// (width, 2^log_size) columns, `from_stride` and `to_stride` words apart, over all threads.
void transform_columns(const Transform& transform, const u64* from, size_t from_stride, u64* to, size_t to_stride, size_t width);

// N coefficients in the last N words of a column of M = 2^log_blowup N become values on 7 * H_M, in place.
class Extension {
  public:
    Extension(int log_size, int log_blowup);
    size_t height() const { return blocks_.size() * size_; }
    // One column, in the calling thread.
    void column(u64* column) const;
    // `width` adjacent columns, over all threads.
    void columns(u64* columns, size_t width) const;

  private:
    size_t size_;
    std::vector<Transform> blocks_;
};

}  // namespace zk_cpu
