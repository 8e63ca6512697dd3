// All kernels for one instruction set: loops over native/kernels with this set's vector, the remainder one element at a time.
//
// Compiled once per set with ZK_ISA and its flags; exports one table, kernels_<set>. No standard library here: an inline
// function of it compiled with this set's flags could be linked into code for every machine.
#include "kernels.hpp"

#include "kernels/hash.hpp"
#include "kernels/logup.hpp"
#include "kernels/openings.hpp"
#include "kernels/quotient.hpp"
#include "poseidon2_constants.hpp"
#include "vector.hpp"

#define ZK_JOIN2(a, b) a##b
#define ZK_JOIN(a, b) ZK_JOIN2(a, b)
#define ZK_TEXT2(a) #a
#define ZK_TEXT(a) ZK_TEXT2(a)

namespace zk_cpu {
namespace {

using zk::Fp;
using zk::Vector;
constexpr size_t LANES = Vector::lanes;
constexpr const zk::RoundConstants* CONSTANTS = &zk::round_constants;

// Vectors of states that are permuted side by side.
constexpr int GROUPS = LANES == 1 ? 1 : 4;

void multiply_chains(u64* values, size_t rounds) {
    constexpr size_t CHAINS = LANES == 1 ? 4 : 2;  // as many as registers allow: each has some ten values under way
    Vector x[CHAINS];
    for (size_t start = 0; start < 64; start += CHAINS * LANES) {
        for (size_t k = 0; k < CHAINS; k++) x[k] = Vector::load(values + start + k * LANES);
        for (size_t i = 0; i < rounds; i++) {
            for (size_t k = 0; k < CHAINS; k++) x[k] = x[k] * x[k];
        }
        for (size_t k = 0; k < CHAINS; k++) x[k].store(values + start + k * LANES);
    }
}

void permute_states(u64* states, size_t count) {
    zk::PermuteStates<Vector, GROUPS> groups{states, CONSTANTS};
    zk::PermuteStates<Vector, 1> one{states, CONSTANTS};
    zk::PermuteStates<Fp, 1> single{states, CONSTANTS};
    size_t i = 0;
    for (; i + GROUPS * LANES <= count; i += GROUPS * LANES) groups(i);
    for (; i + LANES <= count; i += LANES) one(i);
    for (; i < count; i++) single(i);
}

void hash_rows(const u64* const* columns, size_t width, size_t stride, u64 tag, size_t begin, size_t end, u64* digests) {
    size_t i = begin;
    for (; i + GROUPS * LANES <= end; i += GROUPS * LANES) {
        zk::HashRows<Vector, GROUPS>{columns, width, stride, tag, digests, CONSTANTS}(i);
    }
    for (; i + LANES <= end; i += LANES) zk::HashRows<Vector, 1>{columns, width, stride, tag, digests, CONSTANTS}(i);
    for (; i < end; i++) zk::HashRows<Fp, 1>{columns, width, stride, tag, digests, CONSTANTS}(i);
}

void compress(const u64* children, const u64* injected, size_t begin, size_t end, u64* nodes) {
    zk::Compress<Vector, GROUPS> groups{children, injected, nodes, CONSTANTS};
    zk::Compress<Vector, 1> one{children, injected, nodes, CONSTANTS};
    zk::Compress<Fp, 1> single{children, injected, nodes, CONSTANTS};
    size_t i = begin;
    for (; i + GROUPS * LANES <= end; i += GROUPS * LANES) groups(i);
    for (; i + LANES <= end; i += LANES) one(i);
    for (; i < end; i++) single(i);
}

u64 grind(const u64* seed, u64 bits, u64 begin, u64 end) {
    u64 mask = bits >= 64 ? ~0ull : (1ull << bits) - 1;
    constexpr size_t TRIES = GROUPS * LANES;
    for (u64 nonce = begin; nonce < end; nonce += TRIES) {
        u64 words[TRIES];
        zk::Grind<Vector, GROUPS>{seed, bits, CONSTANTS}(nonce, words);
        for (size_t i = 0; i < TRIES; i++) {
            if ((words[i] & mask) == 0 && nonce + i < end) return nonce + i;
        }
    }
    return end;
}

void ntt_rows(const u64* from, u64* to, const zk::NttPlan& plan, size_t r, bool inverse, bool more, void* scratch) {
    zk::row_pass(from, to, plan, r, inverse, more, (Vector*)scratch);
}

void ntt_columns(const u64* from, u64* to, const zk::NttPlan& plan, size_t c, size_t width, bool inverse, bool more,
                 void* scratch) {
    zk::column_pass(from, to, plan, c, width, inverse, more, (Vector*)scratch);
}

// A body over [begin, end): `batch` vectors at a time, then single vectors, then single entries.
#define ZK_RUN(index, begin, end, batch, vector_batch, vector_one, scalar_one)     \
    size_t index = begin;                                                          \
    for (; index + (batch) * LANES <= end; index += (batch) * LANES) vector_batch; \
    for (; index + LANES <= end; index += LANES) vector_one;                       \
    for (; index < end; index++) scalar_one;

constexpr int BATCH = 32;  // vectors that share an inversion

void weights(const zk::PointTable& points, const zk::Pole& pole, size_t begin, size_t end, u64* out, size_t stride) {
    zk::Weights<Vector, BATCH> batch{points, pole, out, stride};
    zk::Weights<Vector, 1> one{points, pole, out, stride};
    zk::Weights<Fp, 1> single{points, pole, out, stride};
    ZK_RUN(s, begin, end, BATCH, batch(s), one(s), single(s))
}

// Adds the lanes of an extension value to three words.
template <class F>
void add_lanes(const zk::Fp3<F>& value, u64* total) {
    u64 words[F::lanes];
    const F* parts[3] = {&value.c0, &value.c1, &value.c2};
    for (int c = 0; c < 3; c++) {
        parts[c]->store(words);
        Fp sum{total[c]};
        for (size_t lane = 0; lane < F::lanes; lane++) sum = sum + Fp{words[lane]};
        total[c] = sum.canonical();
    }
}

void weighted_sums(const u64* weights, size_t stride, const u64* const* columns, size_t count, size_t begin, size_t end,
                   u64* sums) {
    constexpr size_t BLOCK = 64 * LANES;  // weights of one block stay in the first-level cache for all columns
    for (size_t k = 0; k < 3 * count; k++) sums[k] = 0;
    size_t block = begin;
    for (; block + BLOCK <= end; block += BLOCK) {
        for (size_t k = 0; k < count; k++) {
            zk::Fp3<Vector> total = zk::zero3<Vector>();
            zk::WeightedSum<Vector, 64>{weights, stride}(columns[k], block, &total);
            add_lanes(total, sums + 3 * k);
        }
    }
    for (size_t k = 0; k < count; k++) {
        zk::Fp3<Fp> total{{sums[3 * k]}, {sums[3 * k + 1]}, {sums[3 * k + 2]}};
        for (size_t s = block; s < end; s++) zk::WeightedSum<Fp, 1>{weights, stride}(columns[k], s, &total);
        total.store(sums + 3 * k, 1, 0);
    }
}

void deep(const zk::DeepTerm* terms, int term_count, const zk::PointTable& points, size_t begin, size_t end, u64* codeword,
          size_t stride) {
    zk::Deep<Vector, BATCH> batch{terms, term_count, points, codeword, stride};
    zk::Deep<Vector, 1> one{terms, term_count, points, codeword, stride};
    zk::Deep<Fp, 1> single{terms, term_count, points, codeword, stride};
    ZK_RUN(s, begin, end, BATCH, batch(s), one(s), single(s))
}

void fold(const u64* codeword, size_t stride, const zk::PointTable& inverses, const u64* half_beta, size_t begin, size_t end,
          u64* folded, size_t folded_stride) {
    zk::Fold<Vector> one{codeword, stride, inverses, half_beta, folded, folded_stride};
    zk::Fold<Fp> single{codeword, stride, inverses, half_beta, folded, folded_stride};
    ZK_RUN(i, begin, end, 1, one(i), one(i), single(i))
}

void add_scaled(const u64* left, const u64* right, const u64* scalar, u64* result, size_t stride, int log_lift, size_t begin,
                size_t end) {
    zk::AddScaled<Vector> one{left, right, scalar, result, stride, log_lift};
    zk::AddScaled<Fp> single{left, right, scalar, result, stride, log_lift};
    ZK_RUN(i, begin, end, 1, one(i), one(i), single(i))
}

void scan_sums(const u64* column, int log_size, u64 offset, size_t begin, size_t end, u64* sums) {
    zk::ScanSums<Vector> one{column, log_size, offset, sums};
    zk::ScanSums<Fp> single{column, log_size, offset, sums};
    ZK_RUN(i, begin, end, 1, one(i), one(i), single(i))
}

void scan_apply(u64* column, int log_size, u64 offset, const u64* sums, size_t begin, size_t end) {
    zk::ScanApply<Vector> one{column, log_size, offset, sums};
    zk::ScanApply<Fp> single{column, log_size, offset, sums};
    ZK_RUN(i, begin, end, 1, one(i), one(i), single(i))
}

void first_row(const zk::PointTable& points, u64 scale, size_t begin, size_t end, u64* selector) {
    zk::FirstRow<Vector, BATCH> batch{points, scale, selector};
    zk::FirstRow<Vector, 1> one{points, scale, selector};
    zk::FirstRow<Fp, 1> single{points, scale, selector};
    ZK_RUN(s, begin, end, BATCH, batch(s), one(s), single(s))
}

const zk::AirFunctions* evaluators(const zk::AirEntry& air) { return air.ZK_ISA; }

bool evaluates(const zk::AirEntry& air) { return evaluators(air) != nullptr; }

bool fractions(const zk::AirEntry& air, const zk::AirView& view, int log_height, size_t begin, size_t end, u64* aux, u64* total,
               void* scratch) {
    zk::Fp3<Vector> sum = zk::zero3<Vector>();
    if (!zk::fraction_columns(air, *evaluators(air), view, log_height, begin, end, aux, &sum, scratch)) return false;
    add_lanes(sum, total);
    return true;
}

void add_quotient(const zk::AirEntry& air, const zk::AirView& view, int log_height, size_t base, size_t begin, size_t end,
                  u64 inverse_vanishing, u64* values, size_t stride) {
    zk::add_quotient<Vector>(air, *evaluators(air), view, log_height, base, begin, end, inverse_vanishing, values, stride);
}

constexpr size_t FRACTION_SCRATCH = (zk::BATCH_FRACTIONS + zk::MAX_PAIRS) * (sizeof(zk::Fraction<Vector>) + sizeof(Vector));

}  // namespace

extern const Kernels ZK_JOIN(kernels_, ZK_ISA) = {
    ZK_TEXT(ZK_ISA), LANES,       multiply_chains, permute_states,   hash_rows, compress,   grind,
    ntt_rows,        ntt_columns, weights,         weighted_sums,    deep,      fold,       add_scaled,
    evaluates,       fractions,   add_quotient,    FRACTION_SCRATCH, scan_sums, scan_apply, first_row,
};

}  // namespace zk_cpu
