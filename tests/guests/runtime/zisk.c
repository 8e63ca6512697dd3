/* The small runtime that every guest is linked with. See zisk.h for what each function promises.
 *
 * Copies go word by word where both sides are aligned alike, byte by byte elsewhere: a misaligned access would trap. */

#include "zisk.h"

static const uint8_t *next_record = (const uint8_t *)ZISK_INPUT;
static size_t committed;

zisk_record zisk_read(void) {
    zisk_record record = {next_record + 8, *(const uint64_t *)next_record};
    next_record += 8 + ((record.length + 7) & ~(size_t)7);
    return record;
}

uint64_t zisk_read_u64(uint64_t otherwise) {
    zisk_record record = zisk_read();
    return record.length < 8 ? otherwise : *(const uint64_t *)record.data;
}

void zisk_commit(const void *bytes, size_t length) {
    if (length > ZISK_OUTPUT_BYTES - committed) {
        zisk_exit(101);
    }
    memcpy((uint8_t *)ZISK_OUTPUT + committed, bytes, length);
    committed += length;
}

void zisk_commit_u64(uint64_t value) { zisk_commit(&value, sizeof value); }

void zisk_print(const char *text) {
    while (*text != 0) {
        *(volatile uint8_t *)ZISK_CONSOLE = (uint8_t)*text++;
    }
}

void *memcpy(void *restrict to, const void *restrict from, size_t length) {
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((((uintptr_t)t ^ (uintptr_t)f) & 7) == 0) {
        for (; length > 0 && ((uintptr_t)t & 7) != 0; length--) {
            *t++ = *f++;
        }
        for (; length >= 8; length -= 8, t += 8, f += 8) {
            *(uint64_t *)t = *(const uint64_t *)f;
        }
    }
    while (length-- > 0) {
        *t++ = *f++;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t length) {
    uint8_t *t = to;
    const uint8_t *f = from;
    if (t <= f || t >= f + length) {
        return memcpy(to, from, length);
    }
    while (length-- > 0) {
        t[length] = f[length];
    }
    return to;
}

void *memset(void *to, int byte, size_t length) {
    uint8_t *t = to;
    uint64_t word = (uint64_t)(uint8_t)byte * 0x0101010101010101ul;
    for (; length > 0 && ((uintptr_t)t & 7) != 0; length--) {
        *t++ = (uint8_t)byte;
    }
    for (; length >= 8; length -= 8, t += 8) {
        *(uint64_t *)t = word;
    }
    while (length-- > 0) {
        *t++ = (uint8_t)byte;
    }
    return to;
}

int memcmp(const void *left, const void *right, size_t length) {
    const uint8_t *l = left;
    const uint8_t *r = right;
    for (; length > 0; length--, l++, r++) {
        if (*l != *r) {
            return *l < *r ? -1 : 1;
        }
    }
    return 0;
}
