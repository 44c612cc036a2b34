// Prologues and epilogues for every unwind code that describes an instruction, and for parts of a function that other
// parts have the prologue of. None of it is what the compiler happens to make.

        .arch armv8.3-a
        .text

leaf:   add     x0, x0, #1
        ret

// name, prologue, body: then the mirrored epilogue is written by hand below it.
        .macro  begin name
        .def    \name
        .scl    2
        .type   32
        .endef
        .globl  \name
        .p2align 2
        .seh_proc \name
\name:
        .endm

// save_r19r20_x, save_next (twice), set_fp of a frame that lies above
        begin   with_next
        stp     x19, x20, [sp, #-64]!
        .seh_save_r19r20_x 64
        stp     x21, x22, [sp, #16]
        .seh_save_next
        stp     x23, x24, [sp, #32]
        .seh_save_next
        stp     x29, x30, [sp, #48]
        .seh_save_fplr 48
        add     x29, sp, #48
        .seh_add_fp 48
        .seh_endprologue
        mov     x19, x0
        mov     x23, #5
        sub     sp, sp, #32
        bl      leaf
        add     x0, x0, x19
        bl      leaf
        .seh_startepilogue
        sub     sp, x29, #48
        .seh_add_fp 48
        ldp     x29, x30, [sp, #48]
        .seh_save_fplr 48
        ldp     x23, x24, [sp, #32]
        .seh_save_next
        ldp     x21, x22, [sp, #16]
        .seh_save_next
        ldp     x19, x20, [sp], #64
        .seh_save_r19r20_x 64
        .seh_endepilogue
        ret
        .seh_endproc

// save_regp_x, save_regp, save_reg, save_lrpair, save_freg, save_fregp, alloc_s, nop
        begin   with_pairs
        stp     x21, x22, [sp, #-96]!
        .seh_save_regp_x x21, 96
        stp     x23, x24, [sp, #16]
        .seh_save_regp x23, 16
        str     x27, [sp, #32]
        .seh_save_reg x27, 32
        stp     x25, x30, [sp, #40]
        .seh_save_lrpair x25, 40
        stp     d8, d9, [sp, #56]
        .seh_save_fregp d8, 56
        str     d12, [sp, #72]
        .seh_save_freg d12, 72
        nop
        .seh_nop
        sub     sp, sp, #48
        .seh_stackalloc 48
        .seh_endprologue
        mov     x25, x0
        bl      leaf
        add     x0, x0, x25
        fmov    d8, x0
        bl      with_next
        .seh_startepilogue
        add     sp, sp, #48
        .seh_stackalloc 48
        nop
        .seh_nop
        ldr     d12, [sp, #72]
        .seh_save_freg d12, 72
        ldp     d8, d9, [sp, #56]
        .seh_save_fregp d8, 56
        ldp     x25, x30, [sp, #40]
        .seh_save_lrpair x25, 40
        ldr     x27, [sp, #32]
        .seh_save_reg x27, 32
        ldp     x23, x24, [sp, #16]
        .seh_save_regp x23, 16
        ldp     x21, x22, [sp], #96
        .seh_save_regp_x x21, 96
        .seh_endepilogue
        ret
        .seh_endproc

// save_fregp_x, save_freg_x, save_reg_x, save_fplr_x, set_fp, pac_sign_lr, alloc_m; two epilogues, one a tail call
        begin   with_signature
        pacibsp
        .seh_pac_sign_lr
        stp     d10, d11, [sp, #-16]!
        .seh_save_fregp_x d10, 16
        str     d8, [sp, #-32]!
        .seh_save_freg_x d8, 32
        str     x19, [sp, #-16]!
        .seh_save_reg_x x19, 16
        stp     x29, x30, [sp, #-48]!
        .seh_save_fplr_x 48
        mov     x29, sp
        .seh_set_fp
        sub     sp, sp, #2048
        .seh_stackalloc 2048
        .seh_endprologue
        mov     x19, x0
        bl      with_pairs
        tbz     x19, #0, 1f
        .seh_startepilogue
        mov     sp, x29
        .seh_set_fp
        ldp     x29, x30, [sp], #48
        .seh_save_fplr_x 48
        ldr     x19, [sp], #16
        .seh_save_reg_x x19, 16
        ldr     d8, [sp], #32
        .seh_save_freg_x d8, 32
        ldp     d10, d11, [sp], #16
        .seh_save_fregp_x d10, 16
        autibsp
        .seh_pac_sign_lr
        .seh_endepilogue
        ret
1:      add     x0, x0, x19
        .seh_startepilogue
        mov     sp, x29
        .seh_set_fp
        ldp     x29, x30, [sp], #48
        .seh_save_fplr_x 48
        ldr     x19, [sp], #16
        .seh_save_reg_x x19, 16
        ldr     d8, [sp], #32
        .seh_save_freg_x d8, 32
        ldp     d10, d11, [sp], #16
        .seh_save_fregp_x d10, 16
        autibsp
        .seh_pac_sign_lr
        .seh_endepilogue
        b       leaf
        .seh_endproc

// save_any_reg in all its forms, alloc_l
        begin   with_any
        stp     x29, x30, [sp, #-160]!
        .seh_save_any_reg_px x29, 160
        str     x7, [sp, #16]
        .seh_save_any_reg x7, 16
        stp     x5, x6, [sp, #32]
        .seh_save_any_reg_p x5, 32
        str     d3, [sp, #48]
        .seh_save_any_reg d3, 48
        stp     d14, d15, [sp, #64]
        .seh_save_any_reg_p d14, 64
        str     q9, [sp, #80]
        .seh_save_any_reg q9, 80
        stp     q10, q11, [sp, #96]
        .seh_save_any_reg_p q10, 96
        str     x28, [sp, #-16]!
        .seh_save_any_reg_x x28, 16
        str     q8, [sp, #-16]!
        .seh_save_any_reg_x q8, 16
        sub     sp, sp, #16, lsl #12
        .seh_stackalloc 65536
        .seh_endprologue
        mov     x28, x0
        bl      with_signature
        .seh_startepilogue
        add     sp, sp, #16, lsl #12
        .seh_stackalloc 65536
        ldr     q8, [sp], #16
        .seh_save_any_reg_x q8, 16
        ldr     x28, [sp], #16
        .seh_save_any_reg_x x28, 16
        ldp     q10, q11, [sp, #96]
        .seh_save_any_reg_p q10, 96
        ldr     q9, [sp, #80]
        .seh_save_any_reg q9, 80
        ldp     d14, d15, [sp, #64]
        .seh_save_any_reg_p d14, 64
        ldr     d3, [sp, #48]
        .seh_save_any_reg d3, 48
        ldp     x5, x6, [sp, #32]
        .seh_save_any_reg_p x5, 32
        ldr     x7, [sp, #16]
        .seh_save_any_reg x7, 16
        ldp     x29, x30, [sp], #160
        .seh_save_any_reg_px x29, 160
        .seh_endepilogue
        ret
        .seh_endproc

// A function in three parts: the first has the prologue and ends in a branch, the others an entry of their own each: a
// packed one, and one whose codes begin with end_c, with the epilogue.
        .globl  in_parts
in_parts:
        stp     x19, x20, [sp, #-32]!
        str     x21, [sp, #16]
        stp     x29, x30, [sp, #-16]!
        mov     x29, sp
        mov     x19, x0
        bl      leaf
        b       in_parts_second
in_parts_end:
        .p2align 4
in_parts_second:
        mov     x20, x0
        bl      leaf
        add     x0, x0, x20
        b       in_parts_third
in_parts_second_end:
        .p2align 4
in_parts_third:
        mov     x21, x0
        bl      leaf
        add     x0, x0, x21
        ldp     x29, x30, [sp], #16
        ldr     x21, [sp, #16]
        ldp     x19, x20, [sp], #32
        ret
in_parts_third_end:

// One whose prologue is in two entries: the second says its own, end_c, and the first's.
        .globl  in_two
in_two:
        stp     x29, x30, [sp, #-32]!
        str     x19, [sp, #16]
        mov     x19, x0
        cbz     x0, in_two_done
        b       in_two_second
in_two_done:
        ldr     x19, [sp, #16]
        ldp     x29, x30, [sp], #32
        ret
in_two_end:
        .p2align 4
in_two_second:
        str     x20, [sp, #24]
        sub     sp, sp, #32
        mov     x20, x0
        bl      leaf
        add     x0, x0, x20
        add     sp, sp, #32
        ldr     x20, [sp, #24]
        ldr     x19, [sp, #16]
        ldp     x29, x30, [sp], #32
        ret
in_two_second_end:

        .section .xdata,"dr"
        .p2align 2
        // function length in instructions, E or epilogues, words of codes
in_parts_xdata:
        .long   (in_parts_end - in_parts) / 4 | 2 << 27
        .byte   0xe1, 0x81, 0xd0, 0x82, 0x24, 0xe4, 0xe3, 0xe3 // set_fp, fplr_x 16, reg x21 16, r19r20_x 32, end
in_parts_third_xdata:
        .long   (in_parts_third_end - in_parts_third) / 4 | 1 << 21 | 2 << 22 | 2 << 27
        .byte   0xe5, 0xe1, 0x81, 0xd0, 0x82, 0x24, 0xe4, 0xe3
in_two_xdata:
        .long   (in_two_end - in_two) / 4 | 1 << 21 | 0 << 22 | 1 << 27
        .byte   0xd0, 0x02, 0x83, 0xe4
in_two_second_xdata:
        .long   (in_two_second_end - in_two_second) / 4 | 1 << 21 | 8 << 22 | 4 << 27
        .byte   0x02, 0xd0, 0x43, 0xe5, 0xd0, 0x02, 0x83, 0xe4
        .byte   0x02, 0xd0, 0x43, 0xd0, 0x02, 0x83, 0xe4, 0xe3

        .section .pdata,"dr"
        .p2align 2
        .rva    in_parts
        .rva    in_parts_xdata
        .rva    in_parts_second
        // Flag 2, RegI 3, CR 3, a frame of 48 bytes
        .long   2 | ((in_parts_second_end - in_parts_second) / 4) << 2 | 3 << 16 | 3 << 21 | 3 << 23
        .rva    in_parts_third
        .rva    in_parts_third_xdata
        .rva    in_two
        .rva    in_two_xdata
        .rva    in_two_second
        .rva    in_two_second_xdata

        .text
        begin   run_codes
        stp     x29, x30, [sp, #-32]!
        .seh_save_fplr_x 32
        mov     x29, sp
        .seh_set_fp
        str     x19, [sp, #16]
        .seh_save_reg x19, 16
        .seh_endprologue
        mov     x19, x1
        mov     x0, x1
        bl      with_any
        add     x0, x19, #1
        bl      with_any
        mov     x0, x19
        bl      in_parts
        mov     x0, x19
        bl      in_two
        mov     x0, #0
        bl      in_two
        .seh_startepilogue
        ldr     x19, [sp, #16]
        .seh_save_reg x19, 16
        ldp     x29, x30, [sp], #32
        .seh_save_fplr_x 32
        .seh_endepilogue
        ret
        .seh_endproc

        .section .drectve,"yni"
        .ascii  " -export:run_codes"
