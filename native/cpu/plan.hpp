// Twiddle tables for kernels/ntt.hpp, and points of a domain in storage order.
#pragma once

#include <vector>

#include "kernels/ntt.hpp"
#include "zk/fp.hpp"

namespace zk_cpu {

using zk::u64;

// w_{2^log_order}: generator of the subgroup of that order, log_order <= 32.
zk::Fp root_of_unity(int log_order);
zk::Fp from_words(u64 word);

// A transform of size 2^log_size on the coset shift * H, with the memory its plan points to.
class Transform {
  public:
    Transform(int log_size, u64 shift, bool inverse);
    const zk::NttPlan& plan() const { return plan_; }
    bool inverse() const { return inverse_; }

  private:
    zk::NttPlan plan_;
    bool inverse_;
    std::vector<zk::Twiddles> column_table_, row_table_;
    std::vector<u64> row_shifts_;
};

// The point of storage entry s of shift * H_{2^log_size} is low[s mod 2^LOG_LOW] * high[s >> LOG_LOW].
struct Points {
    static constexpr int LOG_LOW = 10;
    Points(int log_size, u64 shift);
    std::vector<u64> low, high;
};

}  // namespace zk_cpu
