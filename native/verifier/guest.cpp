// The verifier as a guest of our own machine: freestanding, for rv64im. What recursion will prove.
//
//   input   records: verifying key, proof, u64 minimum level (128 without it)
//   output  verdict (words 0, 1), digest of the statement (words 2 to 9; zeros unless accepted)
//
// The exit code is the verdict.
#include "integers.hpp"
#include "verify.hpp"
#include "zisk.h"

extern "C" const zk::ChipSet* zk_chip_set();

namespace {

// Enough for any proof of the shipped chips; a test compares. What is not used takes no memory.
alignas(8) unsigned char memory[8 << 20];

}  // namespace

extern "C" int main() {
    zisk_record key = zisk_read(), proof = zisk_read();
    zk::u64 level = zisk_read_u64(128);
    zk::Outcome outcome;
    zk::verify<zk::Fp>({proof.data, proof.length}, {key.data, key.length}, level, *zk_chip_set(),
                       zk::Arena(memory, sizeof memory), outcome);
    zk::u64 digest[zk::DIGEST] = {};
    if (outcome.verdict == zk::Verdict::accepted) zk::statement_digest(outcome.statement, digest);
    zisk_commit_u64((zk::u64)outcome.verdict);
    zisk_commit(digest, sizeof digest);
    return (int)outcome.verdict;
}
