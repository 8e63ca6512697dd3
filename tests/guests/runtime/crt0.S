# The first instructions of every guest: set up gp and sp, call main, exit with its result.
#
# The linker script places this at 0x80000000 and provides the two symbols. RAM is zero at the start, so bss needs no clearing.

    .section .text.init, "ax", @progbits
    .globl _start
    .type _start, @function
_start:
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    la      sp, __stack_top
    call    main
    # fall through: a0 is main's result
    .size _start, . - _start

    .globl zisk_exit
    .type zisk_exit, @function
zisk_exit:
    li      a7, 93
    ecall
    .size zisk_exit, . - zisk_exit
