// The forms that MSVC writes: a switch by two tables, of bytes and of RVAs, and arrays read by their RVA and an index.
// Tables of RVAs are found again in the package; what is added to them is the baseline's base still.
    .section .rdata,"dr"
    .p2align 4
kept:
    .long 3, 1, 4, 1, 5, 9, 2, 6
changed:
#if UPDATED
    .long 2, 7, 1, 8, 2, 8, 1, 9
#else
    .long 2, 7, 1, 8, 2, 8, 1, 8
#endif

    .data
    .globl counters
    .p2align 4
counters:
    .long 10, 20, 30, 40
#if UPDATED
    .globl fresh
    .p2align 4
fresh:
    .long 100, 200, 300, 400
#endif

    .text
    .globl run_switch
    .p2align 4, 0xcc
    .def run_switch; .scl 2; .type 32; .endef
    .seh_proc run_switch
run_switch:
    pushq %rbx
    .seh_pushreg %rbx
    subq $32, %rsp
    .seh_stackalloc 32
    .seh_endprologue
    movq %rdx, %rbx
    andl $7, %edx
    cmpl $6, %edx
    ja .Lnone
    movslq %edx, %rax
    leaq __ImageBase(%rip), %rdx
    movzbl .Lindex@IMGREL(%rdx,%rax), %eax
    movl .Ltable@IMGREL(%rdx,%rax,4), %ecx
    addq %rdx, %rcx
    jmp *%rcx
.Lzero:
#if UPDATED
    movl $11, %eax
#else
    movl $10, %eax
#endif
    addq %rbx, %rax
    jmp .Lout
.Lone:
    movl $20, %eax
    xorq %rbx, %rax
    jmp .Lout
.Lnone:
    xorl %eax, %eax
.Lout:
    addq $32, %rsp
    popq %rbx
    ret
    .byte 0x66, 0x90
.Ltable:
    .long .Lzero@IMGREL
    .long .Lone@IMGREL
    .long .Lnone@IMGREL
.Lindex:
    .byte 0, 1, 2, 2, 0, 1, 0
    .seh_endproc

    .globl run_arrays
    .p2align 4, 0xcc
    .def run_arrays; .scl 2; .type 32; .endef
run_arrays:
    movl %edx, %r9d
    andl $7, %r9d
    andl $3, %edx
    leaq __ImageBase(%rip), %r10
    movl kept@IMGREL(%r10,%r9,4), %eax
    addl changed@IMGREL(%r10,%r9,4), %eax
    addl counters@IMGREL(%r10,%rdx,4), %eax
    addl %eax, counters@IMGREL(%r10,%rdx,4)
#if UPDATED
    addl fresh@IMGREL(%r10,%rdx,4), %eax
    addl %eax, fresh@IMGREL(%r10,%rdx,4)
#endif
    ret

    .section .drectve,"yn"
    .ascii " /EXPORT:run_switch /EXPORT:run_arrays"
