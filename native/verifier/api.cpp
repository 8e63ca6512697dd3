// The verifier's part of the C interface.
#include <string.h>

#include "cpu/kernels.hpp"
#include "verify.hpp"
#include "zk/interface.h"

using zk::u64;

static_assert(sizeof zk_verified().outputs == sizeof zk::Statement().outputs, "one number of output words");

#define ZK_DECLARE(isa) void zk_verify_##isa(zk::Blob, zk::Blob, u64 minimum_level, const zk::ChipSet&, zk::Arena, zk::Outcome&)
ZK_DECLARE(scalar);
#if defined(__x86_64__)
ZK_DECLARE(avx2);
ZK_DECLARE(avx512);
#endif

extern "C" u64 zk_verifier_memory(const zk::ChipSet* chips) { return zk::arena_bytes(*chips); }

extern "C" void zk_verifier_digest(const zk::ChipSet* chips, u64* digest) {
    for (int i = 0; i < 4; i++) digest[i] = chips->digest[i];
}

extern "C" const char* zk_verdict_code(zk::u32 verdict) {
    switch (verdict) {
#define ZK_CODE(name, number, code) \
    case number:                    \
        return code;
        ZK_VERDICTS(ZK_CODE)
#undef ZK_CODE
    }
    return nullptr;
}

extern "C" void zk_verify(const zk::u8* proof, u64 proof_size, const zk::u8* key, u64 key_size, u64 minimum_level,
                          const zk::ChipSet* chips, zk::u8* memory, u64 memory_size, zk_verified* verified) {
    auto run = zk_verify_scalar;
#if defined(__x86_64__)
    size_t lanes = zk_cpu::kernels().lanes;
    run = lanes == 8 ? zk_verify_avx512 : lanes == 4 ? zk_verify_avx2 : run;
#endif
    zk::Outcome outcome = {};
    run({proof, proof_size}, {key, key_size}, minimum_level, *chips, zk::Arena(memory, memory_size), outcome);
    *verified = {};
    verified->verdict = static_cast<zk::u32>(outcome.verdict);
    if (outcome.verdict != zk::Verdict::accepted) return;
    const zk::Statement& statement = outcome.statement;
    const zk::Shape& shape = outcome.shape;
    verified->parameters = outcome.parameters;
    memcpy(verified->vk, statement.vk, sizeof verified->vk);
    memcpy(verified->outputs, statement.outputs, sizeof verified->outputs);
    verified->exit_code = statement.exit_code, verified->final_ts = statement.final_ts;
    verified->log_rows = shape.log_rows, verified->columns = shape.columns, verified->constraints = shape.constraints;
    verified->interactions = shape.interactions, verified->arity = shape.arity, verified->shares = shape.shares;
}
