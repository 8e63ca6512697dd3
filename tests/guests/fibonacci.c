/* The n-th Fibonacci number modulo 2^64.
 *
 * input   one record of a u64 n; 20 without it
 * output  n (words 0, 1), F(n) (words 2, 3), F(n + 1) (words 4, 5) */

#include "zisk.h"

int main(void) {
    uint64_t n = zisk_read_u64(20);
    uint64_t current = 0, next = 1;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t sum = current + next;
        current = next;
        next = sum;
    }
    zisk_commit_u64(n);
    zisk_commit_u64(current);
    zisk_commit_u64(next);
    return 0;
}
