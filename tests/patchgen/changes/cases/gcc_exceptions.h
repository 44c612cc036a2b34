// Stands in for what GCC's exceptions need of their library.
#pragma once

#define LIBRARY_FUNCTION(name)                                                                                         \
    __asm__(".text\n.globl " #name "\n.def " #name "; .scl 2; .type 32; .endef\n.p2align 4\n" #name                     \
            ": xorl %eax, %eax\nret\n")
LIBRARY_FUNCTION(__gxx_personality_seh0);
LIBRARY_FUNCTION(_Unwind_Resume);
LIBRARY_FUNCTION(__cxa_allocate_exception);
LIBRARY_FUNCTION(__cxa_throw);
LIBRARY_FUNCTION(__cxa_begin_catch);
LIBRARY_FUNCTION(__cxa_end_catch);
extern "C" {
extern const void *const class_info_table[8] __asm__("_ZTVN10__cxxabiv117__class_type_infoE");
const void *const class_info_table[8] = {class_info_table};
extern const void *const derived_info_table[8] __asm__("_ZTVN10__cxxabiv120__si_class_type_infoE");
const void *const derived_info_table[8] = {class_info_table};
extern const void *const info_of_int[2] __asm__("_ZTIi");
const void *const info_of_int[2] = {class_info_table, "i"};
extern const void *const info_of_long[2] __asm__("_ZTIl");
const void *const info_of_long[2] = {class_info_table, "l"};
}
