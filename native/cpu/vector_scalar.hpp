// The vector of one lane: what runs where no vector instructions are, and for what does not fill a vector.
#pragma once

#include "zk/fp3.hpp"

namespace zk {
inline namespace ZK_ISA {

ZK_HD void transpose(Fp*) {}

using Vector = Fp;

}  // namespace ZK_ISA
}  // namespace zk
