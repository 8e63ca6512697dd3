/* Sorts 64-bit numbers and proves that it did.
 *
 * input   one record of up to 65536 u64 numbers
 * output  count, smallest, median (the upper one), largest, and the order-dependent fold h = 31 h + x over the sorted numbers (all u64)
 * exit    0; 1 when the result is not sorted; 2 when there are too many numbers */

#include "zisk.h"

#define LIMIT 65536

static uint64_t numbers[LIMIT];

static void insertion_sort(uint64_t *a, size_t n) {
    for (size_t i = 1; i < n; i++) {
        uint64_t x = a[i];
        size_t j = i;
        for (; j > 0 && a[j - 1] > x; j--) {
            a[j] = a[j - 1];
        }
        a[j] = x;
    }
}

static void sort(uint64_t *a, size_t n) {
    while (n > 12) {
        uint64_t x = a[0], y = a[n / 2], z = a[n - 1];
        uint64_t pivot = x < y ? (y < z ? y : (x < z ? z : x)) : (x < z ? x : (y < z ? z : y));
        size_t i = 0, j = n - 1;
        for (;;) {
            while (a[i] < pivot) {
                i++;
            }
            while (a[j] > pivot) {
                j--;
            }
            if (i >= j) {
                break;
            }
            uint64_t t = a[i];
            a[i++] = a[j];
            a[j--] = t;
        }
        size_t left = j + 1; /* both halves are smaller than n; recurse into the smaller, loop on the larger */
        if (left < n - left) {
            sort(a, left);
            a += left;
            n -= left;
        } else {
            sort(a + left, n - left);
            n = left;
        }
    }
    insertion_sort(a, n);
}

int main(void) {
    zisk_record input = zisk_read();
    size_t n = input.length / 8;
    if (n > LIMIT) {
        return 2;
    }
    memcpy(numbers, input.data, n * 8);
    sort(numbers, n);
    uint64_t fold = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && numbers[i - 1] > numbers[i]) {
            return 1;
        }
        fold = fold * 31 + numbers[i];
    }
    zisk_commit_u64(n);
    zisk_commit_u64(n > 0 ? numbers[0] : 0);
    zisk_commit_u64(n > 0 ? numbers[n / 2] : 0);
    zisk_commit_u64(n > 0 ? numbers[n - 1] : 0);
    zisk_commit_u64(fold);
    return 0;
}
