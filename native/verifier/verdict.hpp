// What the verifier says: accepted, or the first thing that is wrong.
//
// Rules: a number is stable and never reused with another meaning. Each has the code of the Python error that says the same
// (zisk_actors/stark/errors.py, keys.py); a test holds both lists and the order of checks against each other.
#pragma once

#include "zk/platform.hpp"

namespace zk {

// name, number, code
#define ZK_VERDICTS(X)                               \
    X(accepted, 0, "accepted")                       \
    X(proof_too_large, 1, "proof-too-large")         \
    X(proof_mock, 2, "proof-mock")                   \
    X(proof_format, 3, "proof-format")               \
    X(proof_undecodable, 4, "proof-undecodable")     \
    X(proof_not_canonical, 5, "proof-not-canonical") \
    X(proof_word, 6, "proof-word")                   \
    X(proof_shape, 7, "proof-shape")                 \
    X(other_program, 8, "proof-other-program")       \
    X(other_parameters, 9, "proof-other-parameters") \
    X(too_weak, 10, "proof-too-weak")                \
    X(other_chips, 11, "proof-other-chips")          \
    X(bad_statement, 12, "proof-statement")          \
    X(bad_shares, 13, "proof-shares")                \
    X(unknown_chip, 14, "proof-unknown-chip")        \
    X(bad_height, 15, "proof-height")                \
    X(not_in_order, 16, "proof-order")               \
    X(wrong_count, 17, "proof-count")                \
    X(too_many_rows, 18, "proof-rows")               \
    X(missing_share, 19, "proof-missing-share")      \
    X(wrong_challenge, 20, "proof-challenge")        \
    X(wrong_root, 21, "proof-root")                  \
    X(wrong_quotient, 22, "proof-quotient")          \
    X(no_grinding, 23, "proof-grinding")             \
    X(wrong_path, 24, "proof-path")                  \
    X(wrong_fold, 25, "proof-fold")                  \
    X(wrong_final, 26, "proof-final")                \
    X(bus_imbalance, 27, "proof-bus")                \
    X(key_malformed, 28, "key-malformed")            \
    X(no_memory, 29, "verifier-memory")              \
    X(other_memory, 30, "proof-other-memory")

enum class Verdict : u32 {
#define ZK_ENUMERATE(name, number, code) name = number,
    ZK_VERDICTS(ZK_ENUMERATE)
#undef ZK_ENUMERATE
};

// Goes on if `check` accepts, else returns its verdict.
#define ZK_CHECK(check)                                           \
    do {                                                          \
        ::zk::Verdict verdict_ = (check);                         \
        if (verdict_ != ::zk::Verdict::accepted) return verdict_; \
    } while (0)

// Returns `verdict` unless `condition` holds.
#define ZK_REQUIRE(condition, verdict)                   \
    do {                                                 \
        if (!(condition)) return ::zk::Verdict::verdict; \
    } while (0)

}  // namespace zk
