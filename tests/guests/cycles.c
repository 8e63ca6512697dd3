/* Runs about as many instructions as it is asked to: the guest of the benchmarks.
 *
 * input   one record of a u64: the number of instructions wanted; 1000000 without it
 * output  rounds, a fold of all results (both u64)
 *
 * One round is one of each kind of work that real programs are made of, so that the mix of instructions is close to theirs: pointer
 * chasing and hash-table updates (64-bit loads and stores), text (byte loads and stores, branches), insertion sort (loads, compares),
 * 32-bit arithmetic, multiplication, and now and then a division. INSTRUCTIONS_PER_ROUND was measured. */

#include "zisk.h"

#define INSTRUCTIONS_PER_ROUND 2937

#define SLOTS 1024

typedef struct {
    uint64_t key, count;
} slot;

static slot table[SLOTS];
static uint32_t next[SLOTS];
static uint8_t text[256];
static uint64_t window[16];

static uint64_t xorshift(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* Open addressing over a table that never fills, because counts of old keys make room. */
static __attribute__((noinline)) uint64_t count_key(uint64_t key) {
    size_t i = key * 0x9e3779b97f4a7c15ul >> 54;
    for (size_t probe = 0; probe < 4; probe++, i = (i + 1) & (SLOTS - 1)) {
        if (table[i].key == key) {
            return ++table[i].count;
        }
        if (table[i].key == 0) {
            break;
        }
    }
    table[i].key = key;
    table[i].count = 1;
    return 1;
}

/* Upper case, digits folded, and the longest word. */
static __attribute__((noinline)) int work_on_text(void) {
    int longest = 0, length = 0;
    for (size_t i = 0; i < 64; i++) {
        uint8_t c = text[i];
        if (c >= 'a' && c <= 'z') {
            text[i] = c - 32;
            length++;
        } else if (c == ' ') {
            longest = length > longest ? length : longest;
            length = 0;
        } else {
            text[i] = (uint8_t)(c ^ 0x20);
            length++;
        }
    }
    return longest;
}

static __attribute__((noinline)) void sort_window(void) {
    for (size_t i = 1; i < 16; i++) {
        uint64_t x = window[i];
        size_t j = i;
        for (; j > 0 && window[j - 1] > x; j--) {
            window[j] = window[j - 1];
        }
        window[j] = x;
    }
}

static __attribute__((noinline)) uint32_t chase(uint32_t from, int hops) {
    while (hops-- > 0) {
        from = next[from];
    }
    return from;
}

/* Multiplications and additions, as in a polynomial evaluation. */
static __attribute__((noinline)) uint64_t dot(const slot *row) {
    uint64_t sum = 0;
    for (size_t i = 0; i < 16; i++) {
        sum += window[i] * row[i].count + row[i].key;
    }
    return sum;
}

/* 32-bit arithmetic as in a checksum. */
static __attribute__((noinline)) uint32_t checksum(uint32_t h) {
    for (size_t i = 0; i < 16; i++) {
        int32_t v = (int8_t)text[i * 3];
        h += (uint32_t)v;
        h += h << 10;
        h ^= h >> 6;
    }
    return h + (h << 3);
}

int main(void) {
    uint64_t wanted = zisk_read_u64(1000000);
    uint64_t rounds = (wanted + INSTRUCTIONS_PER_ROUND - 1) / INSTRUCTIONS_PER_ROUND;
    uint64_t state = 0x2545f4914f6cdd1dul, fold = 0;
    uint32_t h = 1, at = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        next[i] = (uint32_t)(i * 389 + 1) & (SLOTS - 1);
    }
    for (uint64_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < 16; i++) {
            uint64_t x = xorshift(&state);
            window[i] = x;
            text[(x >> 8) & 63] = (uint8_t)(x & 0x7f);
            text[i * 4] = ' ';
            fold += count_key((x & 511) | 1);
        }
        fold ^= (uint64_t)work_on_text();
        sort_window();
        h = checksum(h);
        at = chase(at ^ (h & 511), 24);
        for (size_t i = 0; i < SLOTS; i += SLOTS / 4) {
            fold += dot(&table[i]);
        }
        fold = fold * 6364136223846793005ul + window[7] + at;
        for (size_t i = 0; i < 4; i++) {
            fold += window[15 - i] / (window[i] | 1);
        }
    }
    zisk_commit_u64(rounds);
    zisk_commit_u64(fold ^ h);
    return 0;
}
