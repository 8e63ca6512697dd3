// The C interface of the native library: all that Python calls, and what it must hand over.
//
// Python reads this text (zisk_actors/c_interface.py): the build puts it into the library, so each function is declared once.
//
// Rules:
// * Plain C: structs of integers, and prototypes. A type that is neither an integer nor a struct of this file is opaque.
// * Behind the name of an array stands how many elements it has, in the names of other parameters: 4 * count, 3 * 2^log_size,
//   sum(widths). "or null": it may be missing. An array of arrays says both numbers: width of 2^log_height. There, `i` is the
//   number of the array: chips of 14 * counts[i]. Of what a handle stands for Python knows some sizes: air.width. An array of no
//   elements may be missing too.
// * Python checks before a call: the number of arguments, each integer's range, each array's type, its contiguity, that it has
//   at least so many elements, and that one which is not const can be written. Whether a number makes sense and a word is
//   canonical is checked by those who call (zisk_actors/backends/cpu.py, machine/emulator.py).
// * Nothing throws across it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
namespace zk {
struct AirEntry;
struct ChipSet;
}  // namespace zk
namespace zk_emu {
class Session;
}
using zk_air = zk::AirEntry;
using zk_chips = zk::ChipSet;
using zk_emulator = zk_emu::Session;
extern "C" {
#else
typedef struct zk_air zk_air;
typedef struct zk_chips zk_chips;
typedef struct zk_emulator zk_emulator;
#endif

// This text.
const char* zk_interface(void);

// ---------------------------------------------------------------------------------------- native/cpu: machine and threads

// The instruction set that runs here: scalar, avx2 or avx512.
const char* zk_cpu_name(void);

// Number of threads for every call that follows; 0 is taken as 1.
void zk_set_threads(size_t count);
size_t zk_threads(void);

// Whether a call of this thread did not find the memory that it needs beside its arguments. What it was to write is undefined
// then. Asking forgets it; Python asks after each call.
int zk_out_of_memory(void);

// Writes to each page of an array, with all threads: a page costs most when it is touched first. What stands in it is undefined
// then.
void zk_touch(uint64_t* words /* count */, size_t count);

// Sets all words to 0, with all threads.
void zk_clear(uint64_t* words /* count */, size_t count);

// ------------------------------------------------------------------------------------------------------- native/cpu: hashing

// Whether all words are canonical, that is, below p.
int zk_all_canonical(const uint64_t* words /* count */, size_t count);

// Squares each of 64 values so many times, in this thread: how fast the machine multiplies.
void zk_multiply_chains(uint64_t* values /* 64 */, size_t rounds);

// Row-major states of 16 words, permuted in place.
void zk_poseidon2_permute(uint64_t* states /* 16 * count */, size_t count);

// digests (count, 4): the sponge over row i = columns[0][i * stride], ..., columns[width - 1][i * stride].
void zk_hash_rows(const uint64_t* const* columns /* width of (count - 1) * stride + 1 */, size_t width, size_t stride,
                  uint64_t tag, size_t count, uint64_t* digests /* 4 * count */);

// nodes (count, 4) over children (2 count, 4), with injected (count, 4) or null.
void zk_compress(const uint64_t* children /* 8 * count */, const uint64_t* injected /* 4 * count or null */, size_t count,
                 uint64_t* nodes /* 4 * count */);

// The smallest nonce whose grinding word has `bits` low zero bits.
uint64_t zk_grind(const uint64_t* seed /* 4 */, uint64_t bits);

// ---------------------------------------------------------------------------------------------------- native/cpu: transforms

// Transforms of (width, 2^log_size) columns on shift * H: coefficients to bit-reversed values, or back. In place if to == from.
void zk_ntt(const uint64_t* from /* width * 2^log_size */, uint64_t* to /* width * 2^log_size */, size_t width, int log_size,
            uint64_t shift, int inverse);

// (width, N) trace columns to (width, M) values on 7 * H_M; N = 2^log_size, M = 2^log_blowup N.
void zk_lde(const uint64_t* trace /* width * 2^log_size */, uint64_t* extended /* width * 2^(log_size + log_blowup) */,
            size_t width, int log_size, int log_blowup);

// ---------------------------------------------------------------------------------------------------------- native/cpu: AIRs
// `air` is an entry of a table zk_airs, of this library or of another that backends/build.py made.

// The entry of `table` (count entries) with this digest, or null.
const zk_air* zk_find_air(const zk_air* table, size_t count, const uint8_t* digest /* 32 */);

// Stage 2 over traces of height 2^log_height: aux (3 pairs, height) and total (3), see Backend.logup. 0 if a denominator is zero.
// selectors: whether the AIR reads the first or last row's selector.
int zk_logup(const zk_air* air, const uint64_t* main /* air.width * 2^log_height */,
             const uint64_t* fixed /* air.fixed_width * 2^log_height */, int log_height,
             const uint64_t* uniforms /* 3 * air.fraction_uniforms */, int selectors,
             uint64_t* aux /* 3 * air.aux_width * 2^log_height */, uint64_t* total /* 3 */);

// Adds to values (3, 2N), N = 2^log_height, the quotient of one table on 7 * H_2N: the first 2N entries of its LDEs, whose
// columns lie `stride` words apart. selectors: whether a constraint reads the first or last row's selector.
void zk_add_quotient(const zk_air* air, const uint64_t* main /* air.width * stride */,
                     const uint64_t* fixed /* air.fixed_width * stride */, const uint64_t* aux /* 3 * air.aux_width * stride */,
                     size_t stride, int log_height, const uint64_t* uniforms /* 3 * air.constraint_uniforms */, int selectors,
                     uint64_t* values /* 6 * 2^log_height */);

// values (3, 2N) on 7 * H_2N, overwritten, to the extended halves: extended (6, 2^log_blowup N), see Backend.quotient.
void zk_split_quotient(uint64_t* values /* 6 * 2^log_height */, uint64_t* extended /* 6 * 2^(log_height + log_blowup) */,
                       int log_height, int log_blowup);

// ------------------------------------------------------------------------------------------------------ native/cpu: openings

// weights (3, N): x_s / (z - x_s) over 7 * H_N, N = 2^log_height.
void zk_weights(const uint64_t* z /* 3 */, int log_height, uint64_t* weights /* 3 * 2^log_height */);

// sums (count, 3): sum over the first 2^log_height entries of columns[k] * weights.
void zk_weighted_sums(const uint64_t* weights /* 3 * 2^log_height */, int log_height,
                      const uint64_t* const* columns /* count of 2^log_height */, size_t count, uint64_t* sums /* 3 * count */);

// codeword (3, M) over 7 * H_M, M = 2^log_size: for each term t, sum_k factors[k] (columns[k] - value) / (x - z_t), where
// constants (terms, 3) are the sums of factor * value, widths (terms) count columns and factors in order, and z is (terms, 3).
void zk_deep(const uint64_t* const* columns /* sum(widths) of 2^log_size */, const size_t* widths /* terms */,
             const uint64_t* factors /* 3 * sum(widths) */, const uint64_t* constants /* 3 * terms */,
             const uint64_t* z /* 3 * terms */, size_t terms, int log_size, uint64_t* codeword /* 3 * 2^log_size */);

// folded (3, M / 2^log_arity) of codeword (3, M), M = 2^log_size: binary folds with beta, beta^2, beta^4, ...
void zk_fold(const uint64_t* codeword /* 3 * 2^log_size */, int log_size, int log_arity, const uint64_t* beta /* 3 */,
             uint64_t* folded /* 3 * 2^(log_size - log_arity) */);

// result (3, size) = left + scalar * right, the right side (3, size >> log_lift) lifted to `size` by repetition.
void zk_add_scaled(const uint64_t* left /* 3 * size */, const uint64_t* right /* 3 * (size >> log_lift) */,
                   const uint64_t* scalar /* 3 */, uint64_t* result /* 3 * size */, size_t size, int log_lift);

// ----------------------------------------------------------------------------------------------------------- native/verifier

// What a verifier has found; all but `verdict` is of an accepted proof.
typedef struct zk_verified {
    uint32_t verdict;     // 0: accepted. Others: ZK_VERDICTS in native/verifier/verdict.hpp
    uint32_t parameters;  // the key's set of parameters, by number
    uint64_t vk[4];
    uint64_t outputs[64];
    uint64_t exit_code, final_ts;
    uint64_t log_rows, columns, constraints, interactions, arity, shares;  // `Shape` of zisk_actors/stark/params.py
} zk_verified;

// The chip set of this library, or of another that backends/build.py made.
const zk_chips* zk_chip_set(void);

// Bytes of memory that any proof over `chips` needs.
uint64_t zk_verifier_memory(const zk_chips* chips);

// The chip set's digest.
void zk_verifier_digest(const zk_chips* chips, uint64_t* digest /* 4 */);

// The code of the error that a verdict stands for; null for a number that is none.
const char* zk_verdict_code(uint32_t verdict);

// Checks a proof; `verified` says what it proves.
void zk_verify(const uint8_t* proof /* proof_size */, uint64_t proof_size, const uint8_t* key /* key_size */, uint64_t key_size,
               uint64_t minimum_level, const zk_chips* chips, uint8_t* memory /* memory_size */, uint64_t memory_size,
               zk_verified* verified);

// ----------------------------------------------------------------------------------------------------------- native/emulator
// Functions that give an int give a status: 0 is good, the others are named in native/emulator/api.cpp. A machine belongs to
// one thread at a time.

// Where a run stands.
typedef struct zk_emu_outcome {
    uint64_t stop, value, steps, pc;  // stop: `Stop` of native/emulator/interpret.hpp
    uint64_t output[32];
} zk_emu_outcome;

// Names of the ops, in the order of their numbers, separated by spaces.
const char* zk_emu_ops(void);

// The layouts of all kinds of records, in the order of their numbers, one a line (machine/records.py).
const char* zk_emu_records(void);

// A machine with a program and an input, or null with a status that is not 0. fields: op, rd, rs1, rs2, x0, x1, x2, address
// (machine/rom.py). All arrays are copied.
zk_emulator* zk_emu_open(uint64_t rows, const uint64_t* const* fields /* 8 of rows */, uint64_t entry, uint64_t image_words,
                         const uint64_t* image_cell /* image_words */, const uint64_t* image_lo /* image_words */,
                         const uint64_t* image_hi /* image_words */, const uint8_t* input /* input_bytes */, uint64_t input_bytes,
                         uint64_t snapshot_budget, int32_t* status /* 1 */);
void zk_emu_close(zk_emulator* machine);

// Goes on with the run until its end or until `limit` steps since the start.
int zk_emu_run(zk_emulator* machine, uint64_t limit, zk_emu_outcome* outcome);

// Copies what the guest has printed, at most `capacity` bytes; returns how many bytes there are.
uint64_t zk_emu_console(zk_emulator* machine, uint8_t* out /* capacity */, uint64_t capacity);

// How often each op was executed since the start.
int zk_emu_executed(zk_emulator* machine, uint64_t ops, uint64_t* counts /* ops */);

// Records of each kind that the steps [start, stop) yield.
int zk_emu_count(zk_emulator* machine, uint64_t start, uint64_t stop, uint64_t kinds, uint64_t* counts /* kinds */);

// Writes the records of the steps [start, stop): counts[kind], as zk_emu_count says, of bytes[kind] each. Any other number or
// size is refused, after writing no more than it.
int zk_emu_replay(zk_emulator* machine, uint64_t start, uint64_t stop, uint64_t kinds, const uint64_t* counts /* kinds */,
                  const uint64_t* bytes /* kinds */, uint8_t* const* tables /* kinds of bytes[i] * counts[i] */);

// Final records of the whole run, 4 words each; count[0] is how many there are, and at most `capacity` are written.
int zk_emu_final(zk_emulator* machine, uint64_t* out /* 4 * capacity or null */, uint64_t capacity, uint64_t* count /* 1 */);

#ifdef __cplusplus
}  // extern "C"
#endif
