// Hashing over columns: leaves, tree nodes, grinding, and plain permutations of row-major states.
//
// Rules: each body handles the F::lanes rows (or nodes, nonces, states) that begin at its index; the caller sees to it that
// they exist. Digests are row-major, four canonical words each. Words that cross lanes go through a small array: it costs
// nothing beside a permutation.
#pragma once

#include "zk/poseidon2.hpp"

namespace zk {
inline namespace ZK_ISA {

template <class F>
ZK_HD void capacity(F* state, u64 tag, u64 second) {
    state[RATE] = F::splat(tag);
    state[RATE + 1] = F::splat(second);
    state[RATE + 2] = F::splat(0);
    state[RATE + 3] = F::splat(0);
}

// Words [0, count) of F::lanes row-major records of `stride` words, into state[0..count).
template <class F>
ZK_HD void gather_words(F* state, const u64* records, size_t stride, int count) {
    for (int k = 0; k < count; k++) {
        u64 words[F::lanes];
        for (size_t lane = 0; lane < F::lanes; lane++) words[lane] = records[lane * stride + k];
        state[k] = F::load(words);
    }
}

template <class F>
ZK_HD void scatter_words(const F* state, u64* records, size_t stride, int count) {
    for (int k = 0; k < count; k++) {
        u64 words[F::lanes];
        state[k].store(words);
        for (size_t lane = 0; lane < F::lanes; lane++) records[lane * stride + k] = words[lane];
    }
}

// n row-major states of 16 words, in place.
template <class F, int GROUPS>
struct PermuteStates {
    u64* states;
    const RoundConstants* constants;

    ZK_HD void operator()(size_t index) const {
        F state[GROUPS][WIDTH];
        for (int g = 0; g < GROUPS; g++) gather_words(state[g], states + (index + g * F::lanes) * WIDTH, WIDTH, WIDTH);
        permute_all<GROUPS>(state, *constants);
        for (int g = 0; g < GROUPS; g++) scatter_words(state[g], states + (index + g * F::lanes) * WIDTH, WIDTH, WIDTH);
    }
};

// The sponge over rows of column-major data: row i is columns[0][i], columns[1][i], ... (with a stride: [i * stride]). GROUPS
// vectors of rows go side by side through each block of twelve columns, so that a column is touched in runs longer than a cache
// line.
template <class F, int GROUPS>
struct HashRows {
    const u64* const* columns;
    size_t width;
    size_t stride;  // words between rows: 1 for plain columns
    u64 tag;
    u64* digests;
    const RoundConstants* constants;

    ZK_HD F strided_load(const u64* from) const {
        if (stride == 1) return F::load(from);
        u64 words[F::lanes];
        for (size_t lane = 0; lane < F::lanes; lane++) words[lane] = from[lane * stride];
        return F::load(words);
    }

    ZK_HD void operator()(size_t index) const {
        F state[GROUPS][WIDTH];
        for (int g = 0; g < GROUPS; g++) {
            for (int k = 0; k < RATE; k++) state[g][k] = F::splat(0);
            capacity(state[g], tag, width);
        }
        size_t start = 0;
        do {
            size_t count = width - start < (size_t)RATE ? width - start : (size_t)RATE;
            for (int g = 0; g < GROUPS; g++) {
                size_t row = index + g * F::lanes;
                for (size_t k = 0; k < count; k++) state[g][k] = strided_load(columns[start + k] + row * stride);
            }
            permute_all<GROUPS>(state, *constants);
            start += RATE;
        } while (start < width);
        for (int g = 0; g < GROUPS; g++) scatter_words(state[g], digests + (index + g * F::lanes) * DIGEST, DIGEST, DIGEST);
    }
};

// Nodes of one level: nodes[i] = H(children[2i], children[2i+1], injected[i] or nothing).
template <class F, int GROUPS>
struct Compress {
    const u64* children;
    const u64* injected;  // null: nothing is injected at this level
    u64* nodes;
    const RoundConstants* constants;

    ZK_HD void operator()(size_t index) const {
        F state[GROUPS][WIDTH];
        for (int g = 0; g < GROUPS; g++) {
            size_t node = index + g * F::lanes;
            gather_words(state[g], children + node * 2 * DIGEST, 2 * DIGEST, 2 * DIGEST);
            if (injected) {
                gather_words(state[g] + 2 * DIGEST, injected + node * DIGEST, DIGEST, DIGEST);
            } else {
                for (int k = 2 * DIGEST; k < RATE; k++) state[g][k] = F::splat(0);
            }
            capacity(state[g], TAG_NODE, injected ? 1 : 0);
        }
        permute_all<GROUPS>(state, *constants);
        for (int g = 0; g < GROUPS; g++) scatter_words(state[g], nodes + (index + g * F::lanes) * DIGEST, DIGEST, DIGEST);
    }
};

// The grinding words of GROUPS * lanes nonces from `nonce` on: poseidon2.py, grinding_words.
template <class F, int GROUPS>
struct Grind {
    const u64* seed;
    u64 bits;
    const RoundConstants* constants;

    ZK_HD void operator()(u64 nonce, u64* words) const {
        F state[GROUPS][WIDTH];
        for (int g = 0; g < GROUPS; g++) {
            u64 nonces[F::lanes];
            for (size_t lane = 0; lane < F::lanes; lane++) nonces[lane] = nonce + g * F::lanes + lane;
            for (int k = 0; k < DIGEST; k++) state[g][k] = F::splat(seed[k]);
            state[g][DIGEST] = F::load(nonces);
            for (int k = DIGEST + 1; k < RATE; k++) state[g][k] = F::splat(0);
            capacity(state[g], TAG_GRIND, bits);
        }
        permute_all<GROUPS>(state, *constants);
        for (int g = 0; g < GROUPS; g++) state[g][0].store(words + g * F::lanes);
    }
};

}  // namespace ZK_ISA
}  // namespace zk
