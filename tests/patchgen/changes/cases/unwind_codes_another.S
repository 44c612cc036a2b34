// expect: package framed
// targets: x64 mingw
// flags-mingw: -nostdlib -Wl,-e,entry
// The same code is unwound in another way.
    .intel_syntax noprefix
    .text
    .globl entry
entry:
    mov eax, 1
    ret
    .p2align 4, 0xcc
    .globl framed
    .def framed; .scl 2; .type 32; .endef
    .seh_proc framed
framed:
    sub rsp, 40
#if UPDATED
    .seh_stackalloc 40
#else
    .seh_stackalloc 48
#endif
    .seh_endprologue
    call entry
    add rsp, 40
    ret
    .seh_endproc
    .section .drectve,"yn"
    .ascii " -export:framed"
