// The containers of proofs and keys: proof.py and keys.py of zisk_actors/stark.
//
// Rules: a proof is read in place, again and again, by cursors over bytes that `decode` has seen to be canonical; lists are
// never copied.
#pragma once

#include "arena.hpp"
#include "sponge.hpp"
#include "verdict.hpp"

namespace zk {

constexpr u32 MAX_HEIGHTS = MAX_LOG_HEIGHT - MIN_LOG_HEIGHT + 1;
constexpr u32 MAX_LAYERS = (MAX_LOG_HEIGHT - MIN_FINAL_LOG_DEGREE + FOLD_LOG_ARITY - 1) / FOLD_LOG_ARITY;

// A verifying key whose parts are in range.
struct Key {
    const Parameters* parameters;
    u64 fixed_root[4];
    u32 fixed_count;
    u8 fixed_log_height[MAX_CHIPS];  // by chip; 0 for a chip without fixed columns
    u64 entry;
    u64 digest[4];
};

struct Opened {
    Blob rows, paths;
};

// The fields of a partial proof. A list that is longer than any that is allowed keeps its length only.
struct Partial {
    Int share;
    Blob challenge;
    Blob caps[TREES];
    Blob sums, openings;
    u64 layer_count;
    Blob layers[MAX_LAYERS];
    Blob final;
    Int nonce;
    Opened trees[TREES];
    u64 row_count;
    Opened layer_rows[MAX_LAYERS];
};

inline namespace ZK_ISA {

// --- the proof's container -------------------------------------------------------------------------------------------------

inline Opened read_opened(Reader& from) {
    from.array_of(2);
    Blob rows = from.bytes();
    return {rows, from.bytes()};
}

inline void read_partial(Reader& from, Partial& to) {
    from.array_of(10);
    to.share = from.integer();
    to.challenge = from.bytes();
    from.array_of(TREES);
    for (Blob& cap : to.caps) cap = from.bytes();
    to.sums = from.bytes();
    to.openings = from.bytes();
    to.layer_count = from.array();
    for (u64 i = 0; i < to.layer_count && !from.broken(); i++) {
        Blob cap = from.bytes();
        if (i < MAX_LAYERS) to.layers[i] = cap;
    }
    to.final = from.bytes();
    to.nonce = from.integer();
    from.array_of(TREES);
    for (Opened& tree : to.trees) tree = read_opened(from);
    to.row_count = from.array();
    for (u64 i = 0; i < to.row_count && !from.broken(); i++) {
        Opened rows = read_opened(from);
        if (i < MAX_LAYERS) to.layer_rows[i] = rows;
    }
}

// A contribution's fields; `instances` and `bindings` are cursors to what the counts say.
struct Contribution {
    Int share;
    u64 instance_count;
    Reader instances;
    Int root[4];
    u64 binding_count;
    Reader bindings;
};

inline Contribution read_contribution(Reader& from) {
    from.array_of(4);
    Int share = from.integer();
    u64 count = from.array();
    Contribution result{share, count, from, {}, 0, from};
    for (u64 i = 0; i < count && !from.broken(); i++) {
        from.array_of(2);
        from.skip_integers(2);
    }
    from.array_of(4);
    from.integers(result.root, 4);
    result.binding_count = from.array();
    result.bindings = from;
    for (u64 i = 0; i < result.binding_count && !from.broken(); i++) {
        from.array_of(3);
        from.skip_integers(3);
    }
    return result;
}

struct Proof {
    Int parameters;
    Int vk[4];
    u64 output_count;
    Int outputs[OUTPUT_WORDS];
    Int exit_code, final_ts;
    u64 contribution_count;
    Reader contributions;
    u64 partial_count;
    Reader partials;
};

inline ZK_HD_FUNCTION Proof read_proof(Reader& from) {
    Proof proof{{}, {}, 0, {}, {}, {}, 0, from, 0, from};
    from.array_of(4);
    proof.parameters = from.integer();
    from.array_of(4);
    from.array_of(4);
    from.integers(proof.vk, 4);
    proof.output_count = from.array();
    for (u64 i = 0; i < proof.output_count && !from.broken(); i++) {
        Int word = from.integer();
        if (i < OUTPUT_WORDS) proof.outputs[i] = word;
    }
    proof.exit_code = from.integer();
    proof.final_ts = from.integer();
    proof.contribution_count = from.array();
    proof.contributions = from;
    for (u64 i = 0; i < proof.contribution_count && !from.broken(); i++) read_contribution(from);
    proof.partial_count = from.array();
    proof.partials = from;
    Partial partial;
    for (u64 i = 0; i < proof.partial_count && !from.broken(); i++) read_partial(from, partial);
    return proof;
}

// proof.decode: the fields of a proof whose bytes are what `encode` writes.
inline Verdict decode(Blob data, Proof& proof) {
    ZK_REQUIRE(data.size <= MAX_PROOF_BYTES, proof_too_large);
    ZK_REQUIRE(!starts_with(data, MOCK_MAGIC, sizeof MOCK_MAGIC), proof_mock);
    ZK_REQUIRE(starts_with(data, PROOF_MAGIC, sizeof PROOF_MAGIC), proof_format);
    Reader reader({data.data + sizeof PROOF_MAGIC, data.size - sizeof PROOF_MAGIC});
    proof = read_proof(reader);
    ZK_REQUIRE(!reader.broken() && reader.at_end(), proof_undecodable);
    ZK_REQUIRE(reader.canonical(), proof_not_canonical);
    return Verdict::accepted;
}

// --- the key ---------------------------------------------------------------------------------------------------------------

inline const Parameters* parameters_of(Int number) {
    for (const Parameters& parameters : PARAMETERS) {
        if (number.is(parameters.number)) return &parameters;
    }
    return nullptr;
}

inline bool are_canonical(const Int* words, int count) {
    bool good = true;
    for (int i = 0; i < count; i++) good &= words[i].below(P);
    return good;
}

// keys.decode_key and the digest. Which chips the key fixes is compared with the chip set here, in the order of rules.check_key:
// `fits` says WrongChipSet, WrongMemoryMap or HeightNotAllowed of a key that is well formed.
inline Verdict decode_key(Blob data, const ChipSet& chips, Key& key, Verdict& fits) {
    ZK_REQUIRE(data.size <= MAX_KEY_BYTES, key_malformed);
    ZK_REQUIRE(starts_with(data, KEY_MAGIC, sizeof KEY_MAGIC), key_malformed);
    Reader reader({data.data + sizeof KEY_MAGIC, data.size - sizeof KEY_MAGIC});
    Int number, chip_set[4], root[4];
    reader.array_of(6);
    number = reader.integer();
    reader.array_of(4);
    reader.integers(chip_set, 4);
    reader.array_of(4);
    reader.integers(root, 4);
    u64 fixed_count = reader.array();
    Reader fixed = reader;
    for (u64 i = 0; i < fixed_count && !reader.broken(); i++) {
        reader.array_of(2);
        reader.skip_integers(2);
    }
    Int entry = reader.integer();
    u64 range_count = reader.array();
    Reader ranges = reader;
    for (u64 i = 0; i < range_count && !reader.broken(); i++) {
        reader.array_of(2);
        reader.skip_integers(2);
    }
    ZK_REQUIRE(!reader.broken() && reader.at_end() && reader.canonical(), key_malformed);

    key.parameters = parameters_of(number);
    ZK_REQUIRE(key.parameters && are_canonical(chip_set, 4) && are_canonical(root, 4) && entry.below((u64)1 << 32),
               key_malformed);
    Hash<Fp> hash(TAG_WORDS, 12 + 2 * fixed_count + 2 * range_count);
    hash.absorb({number.value});
    bool same = true;
    for (int i = 0; i < 4; i++) {
        same &= chip_set[i].is(chips.digest[i]);
        hash.absorb({chip_set[i].value});
    }
    for (int i = 0; i < 4; i++) {
        key.fixed_root[i] = root[i].value;
        hash.absorb({root[i].value});
    }
    key.entry = entry.value;
    hash.absorb({entry.value});
    hash.absorb({fixed_count});
    for (u8& height : key.fixed_log_height) height = 0;
    key.fixed_count = 0;
    bool as_expected = true, allowed = true;
    u32 expected = 0;  // the next chip that may have fixed columns
    Int last = {0, false};
    for (u64 i = 0; i < fixed_count; i++) {
        fixed.array_of(2);
        Int chip = fixed.integer(), height = fixed.integer();
        ZK_REQUIRE(!chip.negative && (i == 0 || chip.value > last.value), key_malformed);
        ZK_REQUIRE(height.below(MAX_LOG_HEIGHT + 1) && height.value >= MIN_LOG_HEIGHT, key_malformed);
        last = chip;
        hash.absorb({chip.value});
        hash.absorb({height.value});
        while (expected < chips.count && !chips.chips[expected].widths[FIXED]) expected++;
        as_expected &= expected < chips.count && chip.is(expected);
        if (!as_expected) continue;
        const Chip& rules = chips.chips[expected];
        allowed &= rules.min_log_height <= height.value && height.value <= rules.max_log_height;
        key.fixed_log_height[expected++] = (u8)height.value;
        key.fixed_count++;
    }
    while (expected < chips.count && !chips.chips[expected].widths[FIXED]) expected++;
    as_expected &= expected == chips.count;
    hash.absorb({range_count});
    bool same_memory = range_count == chips.range_count;
    for (u64 i = 0; i < range_count; i++) {
        ranges.array_of(2);
        Int start = ranges.integer(), end = ranges.integer();
        ZK_REQUIRE(!start.negative && end.below((u64)1 << 63) && start.value <= end.value, key_malformed);
        same_memory = same_memory && start.is(chips.memory[i].start) && end.is(chips.memory[i].end);
        hash.absorb({start.value});
        hash.absorb({end.value});
    }
    const Fp* digest = hash.finish();
    for (int i = 0; i < 4; i++) key.digest[i] = digest[i].canonical();
    fits = !same          ? Verdict::other_chips
           : !same_memory ? Verdict::other_memory
           : !as_expected ? Verdict::other_chips
           : !allowed     ? Verdict::bad_height
                          : Verdict::accepted;
    return Verdict::accepted;
}

}  // namespace ZK_ISA
}  // namespace zk
