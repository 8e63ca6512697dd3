// All kernels for one instruction set: loops over native/kernels with this set's vector, the remainder one element at a time.
//
// Compiled once per set with ZK_ISA and its flags; exports one table, kernels_<set>. No standard library here: an inline
// function of it compiled with this set's flags could be linked into code for every machine.
#include "kernels.hpp"

#include "kernels/hash.hpp"
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

void permute_states(u64* states, size_t count) {
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) zk::PermuteStates<Vector>{states, CONSTANTS}(i);
    for (; i < count; i++) zk::PermuteStates<Fp>{states, CONSTANTS}(i);
}

void hash_rows(const u64* const* columns, size_t width, size_t stride, u64 tag, size_t begin, size_t end, u64* digests) {
    constexpr int GROUPS = LANES == 1 ? 1 : 4;
    size_t i = begin;
    for (; i + GROUPS * LANES <= end; i += GROUPS * LANES) {
        zk::HashRows<Vector, GROUPS>{columns, width, stride, tag, digests, CONSTANTS}(i);
    }
    for (; i + LANES <= end; i += LANES) zk::HashRows<Vector, 1>{columns, width, stride, tag, digests, CONSTANTS}(i);
    for (; i < end; i++) zk::HashRows<Fp, 1>{columns, width, stride, tag, digests, CONSTANTS}(i);
}

void compress(const u64* children, const u64* injected, size_t begin, size_t end, u64* nodes) {
    size_t i = begin;
    for (; i + LANES <= end; i += LANES) zk::Compress<Vector>{children, injected, nodes, CONSTANTS}(i);
    for (; i < end; i++) zk::Compress<Fp>{children, injected, nodes, CONSTANTS}(i);
}

u64 grind(const u64* seed, u64 bits, u64 begin, u64 end) {
    u64 mask = bits >= 64 ? ~0ull : (1ull << bits) - 1;
    for (u64 nonce = begin; nonce < end; nonce += LANES) {
        u64 words[LANES];
        zk::Grind<Vector>{seed, bits, CONSTANTS}(nonce, words);
        for (size_t lane = 0; lane < LANES; lane++) {
            if ((words[lane] & mask) == 0 && nonce + lane < end) return nonce + lane;
        }
    }
    return end;
}

void ntt_rows(const u64* from, u64* to, const zk::NttPlan& plan, size_t r, bool inverse, void* scratch) {
    zk::row_pass(from, to, plan, r, inverse, (Vector*)scratch);
}

void ntt_columns(const u64* from, u64* to, const zk::NttPlan& plan, size_t c, size_t width, bool inverse, void* scratch) {
    zk::column_pass(from, to, plan, c, width, inverse, (Vector*)scratch);
}

}  // namespace

extern const Kernels ZK_JOIN(kernels_, ZK_ISA) = {
    ZK_TEXT(ZK_ISA), LANES, permute_states, hash_rows, compress, grind, ntt_rows, ntt_columns,
};

}  // namespace zk_cpu
