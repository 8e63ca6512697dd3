// The hashes and the transcript of zisk_actors/stark/poseidon2.py and transcript.py.
#pragma once

#include "evaluate.hpp"
#include "kernels/hash.hpp"
#include "poseidon2_constants.hpp"

namespace zk {
inline namespace ZK_ISA {

// The permutation, as a function: it is most of the work, and its code is long.
template <class F>
ZK_HD_FUNCTION void permuted(F* state) {
    permute(state, round_constants);
}

// The sponge over `width` elements of F::lanes rows, absorbed one by one: poseidon2.hash_rows.
template <class F>
class Hash {
  public:
    Hash(u64 tag, u64 width) : filled_(width ? 0 : RATE) {
        for (int i = 0; i < RATE; i++) state_[i] = F::splat(0);
        capacity(state_, tag, width);
    }

    void absorb(F element) {
        if (filled_ == RATE) {
            permuted(state_);
            filled_ = 0;
        }
        state_[filled_++] = element;
    }

    // The digest, DIGEST elements, once all are absorbed.
    const F* finish() {
        permuted(state_);
        return state_;
    }

  private:
    F state_[WIDTH];
    int filled_;
};

// A node of a tree over two children, and over the digest injected at its level (null: nothing is).
template <class F>
ZK_HD void compress(const F* left, const F* right, const F* injected, F* node) {
    F state[WIDTH];
    for (int k = 0; k < DIGEST; k++) {
        state[k] = left[k];
        state[DIGEST + k] = right[k];
        state[2 * DIGEST + k] = injected ? injected[k] : F::splat(0);
    }
    capacity(state, TAG_NODE, injected ? 1 : 0);
    permuted(state);
    for (int k = 0; k < DIGEST; k++) node[k] = state[k];
}

// Messages in, challenges out: a duplex sponge that overwrites its rate.
class Transcript {
  public:
    Transcript() : pending_(0), ready_(0) {
        for (int i = 0; i < RATE; i++) state_[i] = Fp{0};
        capacity(state_, TAG_TRANSCRIPT, 0);
    }

    // Frames a message of `length` words, which are absorbed next.
    void message(Message kind, u64 length) {
        absorb((u64)kind);
        absorb(length);
    }

    void absorb(u64 word) {
        ready_ = 0;
        state_[pending_++] = {word};
        if (pending_ == RATE) {
            duplex();
            ready_ = 0;
        }
    }

    void absorb_words(const u64* words, u64 count) {
        for (u64 i = 0; i < count; i++) absorb(words[i]);
    }

    void absorb_blob(const u8* words, u64 count) {
        for (u64 i = 0; i < count; i++) absorb(word_of(words, i));
    }

    u64 squeeze() {
        if (pending_ || !ready_) duplex();
        return state_[RATE - ready_--].canonical();
    }

    Value challenge() {
        Value drawn;
        for (int c = 0; c < 3; c++) drawn.words[c] = squeeze();
        return drawn;
    }

    // A challenge outside the base field: drawn again in the other case.
    Value point() {
        for (;;) {
            Value drawn = challenge();
            if (drawn.words[1] | drawn.words[2]) return drawn;
        }
    }

  private:
    void duplex() {
        permuted(state_);
        pending_ = 0;
        ready_ = RATE;
    }

    Fp state_[WIDTH];
    int pending_, ready_;
};

}  // namespace ZK_ISA
}  // namespace zk
