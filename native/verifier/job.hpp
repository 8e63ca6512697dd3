// The claim, the list of shares, and which jobs are allowed: statement.py and rules.py of zisk_actors/stark, in their order.
#pragma once

#include "decode.hpp"

namespace zk {
inline namespace ZK_ISA {

// Statement.check, for a claim about the key's program.
inline Verdict check_statement(const Proof& proof, const Key& key, Statement& statement) {
    for (int i = 0; i < 4; i++) {
        ZK_REQUIRE(proof.vk[i].is(key.digest[i]), other_program);
        statement.vk[i] = proof.vk[i].value;
    }
    ZK_REQUIRE(proof.output_count == OUTPUT_WORDS, bad_statement);
    for (u32 i = 0; i < OUTPUT_WORDS; i++) {
        ZK_REQUIRE(proof.outputs[i].below((u64)1 << 32), bad_statement);
        statement.outputs[i] = proof.outputs[i].value;
    }
    ZK_REQUIRE(!proof.exit_code.negative, bad_statement);
    statement.exit_code = proof.exit_code.value;
    u64 ts = statement.final_ts = proof.final_ts.value;
    ZK_REQUIRE(proof.final_ts.below((u64)1 << 48) && ts >= 4 && ts % 4 == 0, bad_statement);
    return Verdict::accepted;
}

struct Instance {
    u16 chip;
    u8 log_height;
};

// Totals over the shares of a job.
struct Totals {
    u64 rows[MAX_CHIPS];
    u64 words;  // of all contributions, as the global challenge hashes them
};

// rules.check_share; the instances are left in `instances` (room for MAX_INSTANCES).
inline Verdict check_share(const ChipSet& chips, const Key& key, u64 share, Contribution& from, Instance* instances) {
    ZK_REQUIRE(from.instance_count >= 1 && from.instance_count <= MAX_INSTANCES, bad_shares);
    for (u64 i = 0; i < from.instance_count; i++) {
        from.instances.array_of(2);
        Int chip = from.instances.integer(), height = from.instances.integer();
        ZK_REQUIRE(chip.below(chips.count), unknown_chip);
        const Chip& rules = chips.chips[chip.value];
        ZK_REQUIRE(height.below((u64)rules.max_log_height + 1) && height.value >= rules.min_log_height, bad_height);
        ZK_REQUIRE(!rules.widths[FIXED] || height.value == key.fixed_log_height[chip.value], bad_height);
        instances[i] = {(u16)chip.value, (u8)height.value};
    }
    u32 counts[MAX_CHIPS] = {};
    bool in_order = true;
    for (u64 i = 0; i < from.instance_count; i++) {
        counts[instances[i].chip]++;
        if (i == 0) continue;
        Instance before = instances[i - 1], after = instances[i];
        in_order &= before.chip < after.chip || (before.chip == after.chip && before.log_height >= after.log_height);
    }
    ZK_REQUIRE(in_order, not_in_order);
    for (u32 chip = 0; chip < chips.count; chip++) {
        Presence presence = chips.chips[chip].presence;
        ZK_REQUIRE(presence != Presence::every_share || counts[chip] == 1, wrong_count);
        ZK_REQUIRE(presence != Presence::singleton || counts[chip] == (share == 0 ? 1 : 0), wrong_count);
    }
    return Verdict::accepted;
}

// A set of log heights, a bit each.
inline u32 heights_of(const Instance* instances, u64 count) {
    u32 set = 0;
    for (u64 i = 0; i < count; i++) set |= (u32)1 << instances[i].log_height;
    return set;
}

// Written out: compilers without an instruction for it call a library that a guest does not have.
inline u64 count_bits(u32 set) {
    u64 count = 0;
    for (; set; set &= set - 1) count++;
    return count;
}

// What a share adds to the sizes of the job.
inline void add_share(const ChipSet& chips, const Instance* instances, u64 count, Totals& totals, Shape& shape) {
    u64 columns = QUOTIENT_WIDTH + count_bits(heights_of(instances, count)), constraints = 0;
    u64 fixed_seen = 0;  // chips, a bit each: a chip's fixed columns are opened once
    for (u64 i = 0; i < count; i++) {
        const Chip& chip = chips.chips[instances[i].chip];
        u32 log_height = instances[i].log_height;
        totals.rows[instances[i].chip] += (u64)1 << log_height;
        u64 bit = (u64)1 << instances[i].chip;
        for (int part = 0; part < PARTS; part++) {
            if (part == FIXED && (fixed_seen & bit)) continue;
            columns += chip.widths[part] + chip.next_widths[part];
        }
        fixed_seen |= bit;
        constraints += chip.constraints;
        shape.interactions += (u64)chip.bus_terms << log_height;
        if (chip.arity > shape.arity) shape.arity = chip.arity;
        if (log_height > shape.log_rows) shape.log_rows = log_height;
    }
    if (constraints > shape.constraints) shape.constraints = constraints;
    if (columns > shape.columns) shape.columns = columns;
}

// rules.check_job, and the job's shape. `instances`: room for MAX_INSTANCES.
inline ZK_HD_FUNCTION Verdict check_job(const ChipSet& chips, const Key& key, const Proof& proof, Instance* instances,
                                        Totals& totals, Shape& shape) {
    ZK_REQUIRE(proof.contribution_count >= 1 && proof.contribution_count <= MAX_SHARES, bad_shares);
    Reader reader = proof.contributions;
    totals = {};
    shape = {0, 0, 1, 0, 0, proof.contribution_count};
    for (u64 share = 0; share < proof.contribution_count; share++) {
        Contribution contribution = read_contribution(reader);
        ZK_REQUIRE(contribution.share.is(share), bad_shares);
        ZK_CHECK(check_share(chips, key, share, contribution, instances));
        ZK_REQUIRE(are_canonical(contribution.root, 4), bad_shares);
        u64 count = contribution.instance_count;
        ZK_REQUIRE(contribution.binding_count == count_bits(heights_of(instances, count)), bad_shares);
        for (u64 i = 0; i < contribution.binding_count; i++) {
            Int words[3];
            contribution.bindings.array_of(3);
            contribution.bindings.integers(words, 3);
            ZK_REQUIRE(are_canonical(words, 3), bad_shares);
        }
        add_share(chips, instances, count, totals, shape);
        totals.words += 2 + 2 * count + 4 + 1 + 3 * contribution.binding_count;
    }
    if (shape.interactions < 1) shape.interactions = 1;
    if (shape.arity < 1) shape.arity = 1;
    u64 weights[MAX_BUSES] = {};
    for (u32 chip = 0; chip < chips.count; chip++) {
        const Chip& rules = chips.chips[chip];
        ZK_REQUIRE(totals.rows[chip] <= rules.max_job_rows, too_many_rows);
        // At most 2^16 shares of 2^10 tables of 2^22 rows, and 2^8 terms each: no sum wraps.
        for (u32 i = 0; i < rules.bus_count; i++) weights[rules.buses[i].bus] += totals.rows[chip] * rules.buses[i].terms;
    }
    for (u64 weight : weights) ZK_REQUIRE(weight < P - 0x10000, too_many_rows);
    return Verdict::accepted;
}

// params.check_size.
inline bool within(const Shape& shape, const Shape& most) {
    return shape.log_rows <= most.log_rows && shape.columns <= most.columns && shape.constraints <= most.constraints &&
           shape.interactions <= most.interactions && shape.arity <= most.arity && shape.shares <= most.shares;
}

// statement.global_challenge.
inline ZK_HD_FUNCTION void global_challenge(const Key& key, const Statement& statement, const Proof& proof, const Totals& totals,
                                            u64* challenge) {
    Hash<Fp> hash(TAG_WORDS, 14 + OUTPUT_WORDS + totals.words);
    for (u64 word : PROTOCOL) hash.absorb({word});
    hash.absorb({key.parameters->number});
    for (u64 word : statement.vk) hash.absorb({word});
    hash.absorb({OUTPUT_WORDS});
    for (u64 word : statement.outputs) hash.absorb({word});
    hash.absorb({statement.exit_code & EPSILON});
    hash.absorb({statement.exit_code >> 32});
    hash.absorb({statement.final_ts});
    hash.absorb({proof.contribution_count});
    Reader reader = proof.contributions;
    for (u64 share = 0; share < proof.contribution_count; share++) {
        Contribution contribution = read_contribution(reader);
        hash.absorb({share});
        hash.absorb({contribution.instance_count});
        for (u64 i = 0; i < contribution.instance_count; i++) {
            contribution.instances.array_of(2);
            hash.absorb({contribution.instances.integer().value});
            hash.absorb({contribution.instances.integer().value});
        }
        for (Int word : contribution.root) hash.absorb({word.value});
        hash.absorb({contribution.binding_count});
        for (u64 i = 0; i < contribution.binding_count; i++) {
            contribution.bindings.array_of(3);
            for (int c = 0; c < 3; c++) hash.absorb({contribution.bindings.integer().value});
        }
    }
    const Fp* digest = hash.finish();
    for (int i = 0; i < 4; i++) challenge[i] = digest[i].canonical();
}

// Whether there is one partial proof per contribution, in order.
inline bool shares_are_there(const Proof& proof) {
    if (proof.partial_count != proof.contribution_count) return false;
    Reader reader = proof.partials;
    Partial partial;
    for (u64 share = 0; share < proof.partial_count; share++) {
        read_partial(reader, partial);
        if (!partial.share.is(share)) return false;
    }
    return true;
}

}  // namespace ZK_ISA
}  // namespace zk
