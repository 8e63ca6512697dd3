// The verifier: zisk_actors/stark/verifier.py over bytes. The steps of a share are in steps.hpp.
//
// Rules of this folder: no heap, no exceptions, no threads, no calls of the system, no state that outlives a call; memory is
// the arena and a bounded stack; sizes come from the layout, never from the proof. stark/verifier.py is the specification:
// both say the same of every proof, verdict and error (tests/conformance/test_verifiers.py).
#pragma once

#include "steps.hpp"

namespace zk {

// What an accepted proof proves; of a refused one only the verdict says something.
struct Outcome {
    Verdict verdict;
    u32 parameters;  // the key's set, by number
    Statement statement;
    Shape shape;
};

// Memory for any proof with these chips: every table of a share the widest.
inline u64 arena_bytes(const ChipSet& chips) {
    u64 openings = 0;
    for (u32 i = 0; i < chips.count; i++) {
        u64 width = 0;
        for (int part = 0; part < PARTS; part++) width += chips.chips[i].widths[part] + chips.chips[i].next_widths[part];
        if (width > openings) openings = width;
    }
    u64 per_instance = sizeof(Instance) + 2 * sizeof(Matrix) + 2 * openings * sizeof(Value);
    u64 fixed = 2 * MAX_HEIGHTS * (sizeof(Matrix) + (QUOTIENT_WIDTH + 1) * sizeof(Value)) + MAX_CHIPS * sizeof(Matrix);
    u64 cap = ((u64)2 * DIGEST * sizeof(u64)) << MAX_CAP_LOG;
    return MAX_INSTANCES * per_instance + fixed + cap + (chips.scratch + MAX_QUERIES) * sizeof(Value) + 4096;
}

inline namespace ZK_ISA {

// The boundary terms of the statement, added up.
struct Boundary {
    const Value* challenges;
    Ext total;
    bool good;
};

inline void add_term(void* sum, u64 bus, const u64* values, int count, u64 times) {
    Boundary& to = *(Boundary*)sum;
    Ext fingerprint = ext_of(to.challenges[0]) + Fp{bus};
    for (int i = 0; i < count; i++) fingerprint = fingerprint + ext_of(to.challenges[i + 1]) * Fp{values[i]};
    to.good &= !is_zero(fingerprint);
    to.total = to.total + inverse(fingerprint) * Fp{times};
}

// verifier.check_balance.
inline Verdict check_balance(const ChipSet& chips, const Key& key, const Statement& statement, const u64* challenge, Ext total) {
    Transcript transcript = transcript_of_job(challenge);
    Value challenges[CHALLENGE_COUNT];
    logup_challenges(transcript, challenges);
    Boundary sum = {challenges, total, true};
    chips.boundary(statement, key.entry, {&sum, add_term});
    ZK_REQUIRE(sum.good && is_zero(sum.total), bus_imbalance);
    return Verdict::accepted;
}

template <class F>
inline Verdict check(Blob data, Blob key_data, u64 minimum_level, const ChipSet& chips, Arena arena, Outcome& outcome) {
    Proof proof = {{}, {}, 0, {}, {}, {}, 0, Reader(data), 0, Reader(data)};
    ZK_CHECK(decode(data, proof));
    Key key;
    Verdict fits;
    ZK_CHECK(decode_key(key_data, chips, key, fits));
    ZK_CHECK(fits);
    const Parameters& parameters = *key.parameters;
    outcome.parameters = (u32)parameters.number;
    ZK_REQUIRE(proof.parameters.is(parameters.number), other_parameters);
    ZK_REQUIRE(parameters.level >= minimum_level, too_weak);
    ZK_CHECK(check_statement(proof, key, outcome.statement));
    Totals totals;
    Arena room = arena;
    Instance* instances = room.take<Instance>(MAX_INSTANCES);
    ZK_REQUIRE(instances, no_memory);
    ZK_CHECK(check_job(chips, key, proof, instances, totals, outcome.shape));
    ZK_REQUIRE(!parameters.level || within(outcome.shape, LARGEST), too_weak);
    u64 challenge[4];
    global_challenge(key, outcome.statement, proof, totals, challenge);
    ZK_REQUIRE(shares_are_there(proof), missing_share);
    Roots roots = make_roots();
    Ext total = zero3<Fp>();
    Reader contributions = proof.contributions, partials = proof.partials;
    Partial partial;
    for (u64 share = 0; share < proof.contribution_count; share++) {
        Contribution contribution = read_contribution(contributions);
        read_partial(partials, partial);
        ZK_CHECK(verify_share<F>(chips, key, challenge, share, contribution, partial, roots, arena, total));
    }
    return check_balance(chips, key, outcome.statement, challenge, total);
}

// Checks a proof against a key: proof.decode, keys.decode_key and verifier.verify in one.
template <class F>
inline void verify(Blob proof, Blob key, u64 minimum_level, const ChipSet& chips, Arena arena, Outcome& outcome) {
    outcome = {};
    outcome.verdict = check<F>(proof, key, minimum_level, chips, arena, outcome);
}

// The hash of what an accepted proof claims: the statement's part of the global challenge.
inline void statement_digest(const Statement& statement, u64* digest) {
    Hash<Fp> hash(TAG_WORDS, 4 + OUTPUT_WORDS + 3);
    for (u64 word : statement.vk) hash.absorb({word});
    for (u64 word : statement.outputs) hash.absorb({word});
    hash.absorb({statement.exit_code & EPSILON});
    hash.absorb({statement.exit_code >> 32});
    hash.absorb({statement.final_ts});
    const Fp* found = hash.finish();
    for (int i = 0; i < DIGEST; i++) digest[i] = found[i].canonical();
}

}  // namespace ZK_ISA
}  // namespace zk
