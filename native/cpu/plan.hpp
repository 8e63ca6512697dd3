// Twiddle tables for kernels/ntt.hpp, and points of a domain in storage order.
#pragma once

#include <vector>

#include "kernels/ntt.hpp"
#include "kernels/points.hpp"
#include "zk/fp.hpp"

namespace zk_cpu {

using zk::u64;

// w_{2^log_order}: generator of the subgroup of that order, log_order <= 32.
zk::Fp root_of_unity(int log_order);

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

// The points of shift * H_{2^log_size} in storage order, as the tables of kernels/points.hpp.
class Points {
  public:
    Points(int log_size, u64 shift);
    // For folds of a codeword of size 2^(log_half + 1): 1 / x of entry 2i, by i.
    static Points inverses(int log_half);
    zk::PointTable table() const { return {low_.data(), high_.data(), log_low_}; }

  private:
    Points(int log_size, u64 shift, int extra, bool inverse);
    int log_low_;
    std::vector<u64> low_, high_;
};

}  // namespace zk_cpu
