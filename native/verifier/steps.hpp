// One share under the verifier: the numbered steps of zisk_actors/stark/verifier.py, under the same names, over bytes.
//
// Rules: as in verify.hpp. A step reads what those before it left in `Share`, and says the first thing that is wrong.
#pragma once

#include "queries.hpp"

namespace zk {

inline namespace ZK_ISA {

ZK_HD bool is_zero(Ext a) { return !(a.c0.canonical() | a.c1.canonical() | a.c2.canonical()); }
ZK_HD bool same(Ext a, Ext b) { return is_zero(a - b); }
ZK_HD Ext one() { return {Fp{1}, Fp{0}, Fp{0}}; }
// Nodes i, i + 1, ... of the level above `nodes`, in their place.
template <class F>
inline void join_nodes(u64* nodes, u64 i) {
    F children[2 * DIGEST], node[DIGEST];
    gather_words(children, nodes + i * 2 * DIGEST, 2 * DIGEST, 2 * DIGEST);
    compress<F>(children, children + DIGEST, nullptr, node);
    scatter_words(node, nodes + i * DIGEST, DIGEST, DIGEST);
}

// The root above a cap. nodes: room for the cap.
template <class F>
inline ZK_HD_FUNCTION void root_of_cap(Blob cap, u32 cap_log, u64* nodes, u64* root) {
    for (u64 i = 0; i < (u64)DIGEST << cap_log; i++) nodes[i] = word_of(cap.data, i);
    for (u64 count = (u64)1 << cap_log; count > 1; count /= 2) {
        u64 i = 0;
        for (; i + F::lanes <= count / 2; i += F::lanes) join_nodes<F>(nodes, i);
        for (; i < count / 2; i++) join_nodes<Fp>(nodes, i);
    }
    for (int k = 0; k < DIGEST; k++) root[k] = nodes[k];
}

inline bool same_words(const u64* left, const u64* right, int count) {
    u64 different = 0;
    for (int i = 0; i < count; i++) different |= left[i] ^ right[i];
    return !different;
}

// The challenges that are the same for all shares: alpha, beta, beta^2, ...
inline void logup_challenges(Transcript& transcript, Value* challenges) {
    challenges[0] = transcript.challenge();
    Ext beta = ext_of(transcript.challenge()), power = beta;
    for (u32 i = 1; i < CHALLENGE_COUNT; i++, power = power * beta) challenges[i] = value_of(power);
}

inline Transcript transcript_of_job(const u64* challenge) {
    Transcript transcript;
    transcript.message(Message::global_challenge, 4);
    transcript.absorb_words(challenge, 4);
    return transcript;
}

// poseidon2.grinding_words for the seed that the transcript gives.
inline u64 grinding_word(Transcript& transcript, u64 nonce, u64 bits) {
    Fp state[WIDTH] = {};
    for (int k = 0; k < DIGEST; k++) state[k] = {transcript.squeeze()};
    state[DIGEST] = {nonce};
    capacity(state, TAG_GRIND, bits);
    permuted(state);
    return state[0].canonical();
}

// powers[k] = base^k.
inline ZK_HD_FUNCTION void fill_powers(Ext base, Value* powers, u64 count) {
    Ext power = one();
    for (u64 k = 0; k < count; k++, power = power * base) powers[k] = value_of(power);
}

inline Ext raised(Ext base, u64 exponent) {
    Ext result = one();
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) result = result * base;
        base = square(base);
    }
    return result;
}

// A point of the largest height as one 2^log_lift times lower: 7 (point / 7)^(2^log_lift). Outside the base field if `point` is.
inline Ext lowered(Ext point, u32 log_lift) {
    Fp shift{COSET_SHIFT};
    return raised(point * inverse(shift), (u64)1 << log_lift) * shift;
}

// What the constraints of one height need, z being the height's point and N the height.
struct HeightValues {
    Fp over_height;      // 1 / N
    Ext over_vanishing;  // 1 / (z^N - 1)
    Value first, last;   // the Lagrange polynomials of the first and the last row at z
};

inline HeightValues height_values(Ext point, u32 log_rows, const Roots& roots) {
    Ext vanishing = raised(point, (u64)1 << log_rows) - Fp{1};
    Fp over_height = inverse(Fp{(u64)1 << log_rows}), last{roots.inverse[log_rows]};  // the last row is at w^-1
    Ext scaled = vanishing * over_height;
    return {over_height, inverse(vanishing), value_of(scaled * inverse(point - Fp{1})),
            value_of(scaled * (inverse(point - last) * last))};
}

// The constraints at the out-of-domain point: the sum of gamma^k c_k(z) / (z^N - 1) over the constraints of all instances,
// numbered on, is Q0(zeta) + zeta^N Q1(zeta), the last N being the largest height.
inline ZK_HD_FUNCTION bool constraints_hold(const Layout& layout, const Partial& partial, const DeepGroup* groups,
                                            const Value* challenges, const Value& gamma, const Roots& roots, Value* scratch) {
    const u8* openings = partial.openings.data;
    HeightValues heights[MAX_HEIGHTS];
    for (u32 g = 0; g < layout.group_count; g++) {
        heights[g] = height_values(ext_of(groups[g].point), layout.groups[g].log_rows, roots);
    }
    Ext total = zero3<Fp>(), power = one();
    u32 aux = 0;
    for (u32 i = 0; i < layout.instance_count; i++) {
        const Matrix& main = layout.trees[MAIN].matrices[i];
        const Chip& chip = *main.chip;
        u32 g = 0;
        while (layout.groups[g].log_height != main.log_height) g++;
        const HeightValues& at = heights[g];
        Cells cells{openings, {0, main.now, 0}, {0, main.next, 0}, challenges, {}, at.first, at.last};
        if (chip.widths[AUX]) {
            const Matrix& matrix = layout.trees[AUX].matrices[aux++];
            cells.now[AUX] = matrix.now;
            cells.next[AUX] = matrix.next;
        }
        for (u32 k = 0; k < layout.trees[FIXED].count; k++) {
            const Matrix& fixed = layout.trees[FIXED].matrices[k];
            if (fixed.chip != &chip) continue;
            cells.now[FIXED] = fixed.now;
            cells.next[FIXED] = fixed.next;
        }
        cells.claim = value_of(ext_word(partial.sums.data, i) * at.over_height);
        Value sum = {};
        chip.constraints_at(cells, gamma, scratch, &sum);
        total = total + ext_of(sum) * (power * at.over_vanishing);
        power = power * raised(ext_of(gamma), chip.constraints);
    }
    Ext shift = raised(ext_of(groups[0].point), (u64)1 << layout.groups[0].log_rows);
    u32 quotient = layout.trees[QUOTIENT].matrices[0].now;
    return same(total, extension_at(openings, quotient) + shift * extension_at(openings, quotient + 3));
}

// Where the openings of every height are, and the contribution's bindings.
inline void place_points(const Layout& layout, Ext zeta, Ext bound_point, Reader bindings, const Roots& roots,
                         DeepGroup* groups) {
    for (u32 g = 0; g < layout.group_count; g++) {
        u32 log_rows = layout.groups[g].log_rows, log_lift = layout.groups[0].log_rows - log_rows;
        Ext point = lowered(zeta, log_lift);
        groups[g].point = value_of(point);
        groups[g].following = value_of(point * Fp{roots.forward[log_rows]});
        groups[g].bound_point = value_of(lowered(bound_point, log_lift));
        bindings.array_of(3);
        for (u64& word : groups[g].bound.words) word = bindings.integer().value;
    }
}

// The sums over powers * opened values that the DEEP codeword needs.
inline ZK_HD_FUNCTION void add_openings(const Layout& layout, const Partial& partial, const Value* powers, DeepGroup* groups) {
    for (u32 g = 0; g < layout.group_count; g++) {
        const Group& group = layout.groups[g];
        Ext sums[2] = {zero3<Fp>(), zero3<Fp>()};
        for (u32 i = group.start; i < group.end; i++) {
            Ext& sum = sums[i >= group.next_start];
            sum = sum + ext_of(powers[i + g]) * ext_word(partial.openings.data, i);
        }
        groups[g].now = value_of(sums[0]);
        groups[g].then = value_of(sums[1]);
    }
}

// One share under the verifier: what it is checked against, and what its steps leave for those after them.
struct Share {
    const ChipSet& chips;
    const Key& key;
    const Partial& partial;
    const Roots& roots;
    u64 number;
    u32 count;  // of instances
    const Instance* instances;
    const Layout& layout;
    u64* nodes;        // room for a cap
    Value* scratch;    // of the constraints
    Value* powers;     // of the DEEP challenge
    Value* combiners;  // of the binding's
    u64* indices;      // of the queries

    u64 tree_roots[TREES][DIGEST] = {};
    Value bound_point = {}, combiner = {}, gamma = {}, zeta = {};
    Value challenges[CHALLENGE_COUNT] = {};
    Transcript transcript = {};
    DeepGroup groups[MAX_HEIGHTS] = {};
    Value betas[MAX_LAYERS] = {};
};

// 1. Contribution: the stage-1 root, and where its columns are bound.
template <class F>
inline Verdict step_1_contribution(Share& share, const Contribution& contribution) {
    for (int kind = 0; kind < TREES; kind++) {
        const Tree& tree = share.layout.trees[kind];
        if (tree.count) root_of_cap<F>(share.partial.caps[kind], tree.cap_log, share.nodes, share.tree_roots[kind]);
    }
    ZK_REQUIRE(same_words(share.tree_roots[FIXED], share.key.fixed_root, DIGEST), wrong_root);
    for (int i = 0; i < DIGEST; i++) ZK_REQUIRE(contribution.root[i].is(share.tree_roots[MAIN][i]), wrong_root);
    Transcript early;
    early.message(Message::commitment, 4 + 2 + 2 * (u64)share.count + 4);
    early.absorb_words(share.key.digest, 4);
    early.absorb(share.number);
    early.absorb(share.count);
    for (u32 i = 0; i < share.count; i++) {
        early.absorb(share.instances[i].chip);
        early.absorb(share.instances[i].log_height);
    }
    early.absorb_words(share.tree_roots[MAIN], 4);
    share.bound_point = early.point();
    share.combiner = early.challenge();
    return Verdict::accepted;
}

// 2. LogUp challenges, the same for all shares. The transcript is the share's from here on.
inline void step_2_logup_challenges(Share& share, const u64* challenge) {
    share.transcript = transcript_of_job(challenge);
    logup_challenges(share.transcript, share.challenges);
    share.transcript.message(Message::share, 1);
    share.transcript.absorb(share.number);
}

// 3. Stage 2: bus columns and claimed sums. Adds the sums to `total`.
inline Verdict step_3_bus_columns(Share& share, Ext& total) {
    for (u32 i = 0; i < share.count; i++) {
        Ext claimed = ext_word(share.partial.sums.data, i);
        ZK_REQUIRE(share.chips.chips[share.instances[i].chip].widths[AUX] || is_zero(claimed), bus_imbalance);
        total = total + claimed;
    }
    bool has_aux = share.layout.trees[AUX].count;
    share.transcript.message(Message::aux, 1 + (has_aux ? DIGEST : 0) + 3 * (u64)share.count);
    share.transcript.absorb(has_aux);
    if (has_aux) share.transcript.absorb_words(share.tree_roots[AUX], DIGEST);
    share.transcript.absorb_blob(share.partial.sums.data, 3 * (u64)share.count);
    return Verdict::accepted;
}

// 4. The quotient.
inline void step_4_quotient(Share& share) {
    share.gamma = share.transcript.challenge();
    share.transcript.message(Message::quotient, DIGEST);
    share.transcript.absorb_words(share.tree_roots[QUOTIENT], DIGEST);
}

// 5. Openings out of the domain; the constraints hold there.
inline Verdict step_5_openings(Share& share, Reader bindings) {
    share.zeta = share.transcript.point();
    share.transcript.message(Message::openings, 3 * (u64)share.layout.openings);
    share.transcript.absorb_blob(share.partial.openings.data, 3 * (u64)share.layout.openings);
    place_points(share.layout, ext_of(share.zeta), ext_of(share.bound_point), bindings, share.roots, share.groups);
    ZK_REQUIRE(
        constraints_hold(share.layout, share.partial, share.groups, share.challenges, share.gamma, share.roots, share.scratch),
        wrong_quotient);
    return Verdict::accepted;
}

// 6. DEEP: one codeword for all heights. Its values are found at the queries.
inline void step_6_deep_codeword(Share& share) {
    fill_powers(ext_of(share.transcript.challenge()), share.powers, share.layout.batched());
    fill_powers(ext_of(share.combiner), share.combiners, share.layout.most_bound());
    add_openings(share.layout, share.partial, share.powers, share.groups);
}

// 7. FRI layers and final polynomial.
template <class F>
inline void step_7_fri(Share& share) {
    for (u32 i = 0; i < share.layout.layer_count; i++) {
        u64 root[DIGEST];
        u32 log_leaves = share.layout.log_domain - FOLD_LOG_ARITY * (i + 1);
        root_of_cap<F>(share.partial.layers[i], cap_level(*share.key.parameters, log_leaves), share.nodes, root);
        share.transcript.message(Message::layer, DIGEST);
        share.transcript.absorb_words(root, DIGEST);
        share.betas[i] = share.transcript.challenge();
    }
    share.transcript.message(Message::final, 3 * (u64)share.layout.final_degree);
    share.transcript.absorb_blob(share.partial.final.data, 3 * (u64)share.layout.final_degree);
}

// 8. Grinding. The nonce has its work in it.
inline Verdict step_8_grinding(Share& share) {
    u32 bits = share.key.parameters->pow_bits;
    u64 ground = grinding_word(share.transcript, share.partial.nonce.value, bits);
    ZK_REQUIRE(!(ground & (((u64)1 << bits) - 1)), no_grinding);
    share.transcript.message(Message::nonce, 1);
    share.transcript.absorb(share.partial.nonce.value);
    return Verdict::accepted;
}

// 9. Queries. What is opened is in its trees, and the layers fold the DEEP codeword to the final polynomial.
template <class F>
inline Verdict step_9_queries(Share& share) {
    const Parameters& parameters = *share.key.parameters;
    u64 mask = ((u64)1 << share.layout.log_domain) - 1;
    for (u32 i = 0; i < parameters.queries; i++) share.indices[i] = share.transcript.squeeze() & mask;
    return check_queries<F>({&share.layout, &parameters, &share.partial, &share.roots, share.indices, share.powers,
                             share.combiners, share.groups, share.betas});
}

// Checks one share against its contribution, and adds its instances' claimed bus sums to `total`: verifier.verify_share.
template <class F>
inline Verdict verify_share(const ChipSet& chips, const Key& key, const u64* challenge, u64 number, Contribution contribution,
                            const Partial& partial, const Roots& roots, Arena arena, Ext& total) {
    const Parameters& parameters = *key.parameters;
    u32 count = (u32)contribution.instance_count;
    Instance* instances = arena.take<Instance>(count);
    u64* nodes = arena.take<u64>((u64)DIGEST << parameters.cap_log);
    u64* indices = arena.take<u64>(parameters.queries);
    Value* scratch = arena.take<Value>(chips.scratch);
    ZK_REQUIRE(instances && nodes && indices && scratch, no_memory);
    for (u32 i = 0; i < count; i++) {
        contribution.instances.array_of(2);
        u64 chip = contribution.instances.integer().value;
        instances[i] = {(u16)chip, (u8)contribution.instances.integer().value};
    }
    Layout layout;
    ZK_CHECK(make_layout(chips, key, instances, count, arena, layout));
    bool answers = partial.challenge.size == 4 * sizeof(u64);
    for (int i = 0; i < 4 && answers; i++) answers = word_of(partial.challenge.data, i) == challenge[i];
    ZK_REQUIRE(answers, wrong_challenge);
    ZK_CHECK(check_shape(partial, layout, parameters));
    Value* powers = arena.take<Value>(layout.batched());
    Value* combiners = arena.take<Value>(layout.most_bound());
    ZK_REQUIRE(powers && combiners, no_memory);

    Share share = {chips, key, partial, roots, number, count, instances, layout, nodes, scratch, powers, combiners, indices};
    ZK_CHECK(step_1_contribution<F>(share, contribution));
    step_2_logup_challenges(share, challenge);
    ZK_CHECK(step_3_bus_columns(share, total));
    step_4_quotient(share);
    ZK_CHECK(step_5_openings(share, contribution.bindings));
    step_6_deep_codeword(share);
    step_7_fri<F>(share);
    ZK_CHECK(step_8_grinding(share));
    return step_9_queries<F>(share);
}

}  // namespace ZK_ISA
}  // namespace zk
