// The verifier's part of the C interface.
#include "cpu/kernels.hpp"
#include "verify.hpp"

using zk::u64;

#define ZK_DECLARE(isa) void zk_verify_##isa(zk::Blob, zk::Blob, u64 minimum_level, const zk::ChipSet&, zk::Arena, zk::Outcome&)
ZK_DECLARE(scalar);
#if defined(__x86_64__)
ZK_DECLARE(avx2);
ZK_DECLARE(avx512);
#endif

// Bytes of memory that any proof over `chips` needs.
extern "C" u64 zk_verifier_memory(const zk::ChipSet* chips) { return zk::arena_bytes(*chips); }

// The chip set's digest, four words.
extern "C" void zk_verifier_digest(const zk::ChipSet* chips, u64* digest) {
    for (int i = 0; i < 4; i++) digest[i] = chips->digest[i];
}

// The code of the error that a verdict stands for; null for a number that is none.
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

// Checks a proof; `outcome` says what it proves.
extern "C" void zk_verify(const zk::u8* proof, u64 proof_size, const zk::u8* key, u64 key_size, u64 minimum_level,
                          const zk::ChipSet* chips, void* memory, u64 memory_size, zk::Outcome* outcome) {
    auto run = zk_verify_scalar;
#if defined(__x86_64__)
    size_t lanes = zk_cpu::kernels().lanes;
    run = lanes == 8 ? zk_verify_avx512 : lanes == 4 ? zk_verify_avx2 : run;
#endif
    run({proof, proof_size}, {key, key_size}, minimum_level, *chips, zk::Arena(memory, memory_size), *outcome);
}
