/* What a guest may use of its machine: input, public output, console, exit. No C library is needed.
 *
 * Every access here is naturally aligned, because the machine traps on any other.
 *   input    0x40000008  read-only, zero past its end; by convention a list of records [u64 length][bytes][zero pad to 8]
 *   output   0xa0010000  64 u32 words, public: they stand in the proof's statement
 *   console  0xa0000200  each byte stored here is printed; it is not part of the statement
 */
#ifndef ZISK_H
#define ZISK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZISK_INPUT 0x40000008ul
#define ZISK_OUTPUT 0xa0010000ul
#define ZISK_OUTPUT_BYTES 256ul
#define ZISK_CONSOLE 0xa0000200ul

typedef struct {
    const uint8_t *data; /* 8-byte aligned */
    size_t length;       /* bytes */
} zisk_record;

/* The next record of the input; records behind the last one are empty. */
zisk_record zisk_read(void);

/* The first u64 of the next record (little-endian), or `otherwise` when the record is shorter than that. */
uint64_t zisk_read_u64(uint64_t otherwise);

/* Appends bytes to the public output. More than 256 bytes in all is a failure of the guest: it exits with code 101. */
void zisk_commit(const void *bytes, size_t length);
void zisk_commit_u64(uint64_t value);

/* Prints to the console. */
void zisk_print(const char *text);

/* Ends the run with an exit code, which is public. */
__attribute__((noreturn)) void zisk_exit(uint64_t code);

void *memcpy(void *__restrict to, const void *__restrict from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int byte, size_t length);
int memcmp(const void *left, const void *right, size_t length);

#ifdef __cplusplus
}
#endif

#endif
