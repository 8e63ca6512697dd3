/* Fails on purpose, in the way that the first byte of the first record says.
 *
 *   0  no failure: exit 0                        6  a system call that does not exist
 *   1  an instruction that does not decode       7  a jump out of the program
 *   2  a load outside the memory map             8  a misaligned store
 *   3  a store to constants                      9  a load whose address wraps around
 *   4  a misaligned load                        10  a store to the input
 *   5  ebreak                                   11  no trap: exit code 42, and one word of output
 *
 * Each way is a function of its own, so that the report's symbol says which one it was. */

#include "zisk.h"

#define WAY static __attribute__((noinline)) void

static const uint64_t constant[2] = {1, 2};

WAY illegal_instruction(void) { __asm__ volatile(".word 0xffffffff"); }
WAY load_outside(void) { __asm__ volatile("ld t0, 16(zero)" ::: "t0"); }
WAY store_to_constant(void) { __asm__ volatile("sd zero, 8(%0)" ::"r"(&constant[0]) : "memory"); }
WAY misaligned_load(void) { __asm__ volatile("ld t0, 4(%0)" ::"r"(&constant[0]) : "t0"); }
WAY breakpoint(void) { __asm__ volatile("ebreak"); }
WAY unknown_call(void) { __asm__ volatile("li a7, 1\n\tecall" ::: "a7"); }
WAY jump_outside(void) { __asm__ volatile("jalr %0" ::"r"(0x90000000ul) : "ra"); }
WAY misaligned_store(void) { __asm__ volatile("sw zero, 2(%0)" ::"r"(ZISK_OUTPUT) : "memory"); }
WAY load_wrapped(void) { __asm__ volatile("ld t0, -8(zero)" ::: "t0"); }
WAY store_to_input(void) { *(volatile uint8_t *)ZISK_INPUT = 1; }

int main(void) {
    zisk_record record = zisk_read();
    zisk_print("before the trap\n");
    switch (record.length > 0 ? record.data[0] : 0) {
    case 0: return 0;
    case 1: illegal_instruction(); break;
    case 2: load_outside(); break;
    case 3: store_to_constant(); break;
    case 4: misaligned_load(); break;
    case 5: breakpoint(); break;
    case 6: unknown_call(); break;
    case 7: jump_outside(); break;
    case 8: misaligned_store(); break;
    case 9: load_wrapped(); break;
    case 10: store_to_input(); break;
    default: break;
    }
    zisk_commit_u64(11);
    return 42;
}
