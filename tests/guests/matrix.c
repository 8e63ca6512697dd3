/* The product of two pseudo-random n x n matrices, once over u32 and once over u64 (both modulo their word size).
 *
 * input   one record of a u64 n (1 to 64, else exit 2; 8 without it), one record of a u64 seed (1 without it)
 * output  n, trace and fold of the u64 product, trace and fold of the u32 product (all u64; fold: h = 31 h + x, row by row)
 * The entries are successive values of xorshift64 from the seed, first A then B, row by row; the u32 matrices are their low halves. */

#include "zisk.h"

#define LIMIT 64

static uint64_t a64[LIMIT][LIMIT], b64[LIMIT][LIMIT];
static uint32_t a32[LIMIT][LIMIT], b32[LIMIT][LIMIT];

static uint64_t xorshift(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

int main(void) {
    uint64_t n = zisk_read_u64(8);
    uint64_t seed = zisk_read_u64(1);
    if (n < 1 || n > LIMIT || seed == 0) {
        return 2;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            a64[i][j] = xorshift(&seed);
            a32[i][j] = (uint32_t)a64[i][j];
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            b64[i][j] = xorshift(&seed);
            b32[i][j] = (uint32_t)b64[i][j];
        }
    }
    uint64_t trace64 = 0, fold64 = 0, fold32 = 0;
    uint32_t trace32 = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            uint64_t sum64 = 0;
            uint32_t sum32 = 0;
            for (size_t k = 0; k < n; k++) {
                sum64 += a64[i][k] * b64[k][j];
                sum32 += a32[i][k] * b32[k][j];
            }
            fold64 = fold64 * 31 + sum64;
            fold32 = fold32 * 31 + sum32;
            if (i == j) {
                trace64 += sum64;
                trace32 += sum32;
            }
        }
    }
    zisk_commit_u64(n);
    zisk_commit_u64(trace64);
    zisk_commit_u64(fold64);
    zisk_commit_u64(trace32);
    zisk_commit_u64(fold32);
    return 0;
}
