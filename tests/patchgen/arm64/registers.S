// The name of each function says which register it leaves free.
#define FUNCTION(name) .globl name; .p2align 2; name:
    .text
FUNCTION(free_16_plain)
    add x0, x0, x1
    ret
FUNCTION(free_16_immediates_look_like_registers)
    add x0, x1, #0x410
    ldr x0, [x1, #0x2080]
    mov x0, #0x8210
    and x0, x0, #0xffff0000
    ldr q16, [x1, #16]
    add x0, x1, w2, sxtw
    orr x0, x1, x2, lsl #17
    tbz x0, #16, 1f
1:  ret
FUNCTION(free_17_destination)
    mov x16, #1
    ret
FUNCTION(free_17_base)
    ldr x0, [x16, #8]
    ret
FUNCTION(free_17_index)
    ldr x0, [x1, x16]
    ret
FUNCTION(free_17_half)
    add w0, w0, w16
    ret
FUNCTION(free_17_second_of_a_pair)
    ldp x0, x16, [x1]
    ret
FUNCTION(free_17_third)
    madd x0, x1, x2, x16
    ret
FUNCTION(free_17_compared)
    cbz x16, 1f
    nop
1:  ret
FUNCTION(free_17_branch)
    adr x16, 1f
    br x16
1:  ret
FUNCTION(none_free_both)
    mov x16, #1
    mov x17, #2
    ret
FUNCTION(none_free_pair_of_exclusive)
    .arch_extension lse
    casp x16, x17, x2, x3, [x4]
    ret
FUNCTION(none_free_signed_return)
    hint #8 // pacia1716
    ret
FUNCTION(none_free_leaves_for_a_middle)
    b free_17_third + 4
FUNCTION(free_16_leaves_for_an_entry)
    b free_17_third
