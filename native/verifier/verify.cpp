// The verifier for one instruction set.
#include "verify.hpp"

#include "cpu/vector.hpp"

#define ZK_JOIN2(a, b) a##b
#define ZK_JOIN(a, b) ZK_JOIN2(a, b)

void ZK_JOIN(zk_verify_, ZK_ISA)(zk::Blob proof, zk::Blob key, zk::u64 minimum_level, const zk::ChipSet& chips, zk::Arena arena,
                                 zk::Outcome& outcome) {
    zk::verify<zk::Vector>(proof, key, minimum_level, chips, arena, outcome);
}
