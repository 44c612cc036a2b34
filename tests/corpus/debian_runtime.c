/* What a DLL of these pairs needs of a C runtime to be whole: an entry that runs the static initialisers, the cookie of
   the stack protector, and the load configuration. All else of the runtime is imported. */
typedef unsigned long long u64;
typedef unsigned int u32;
typedef void (*initialiser)(void);

__attribute__((section(".CRT$XCA"))) const initialiser first_initialiser = 0;
__attribute__((section(".CRT$XCZ"))) const initialiser last_initialiser = 0;

u64 __security_cookie = 0x00002b992ddfa232;
int _fltused = 0x9875;
void *type_info_table[2] __asm__("??_7type_info@@6B@");

/* IMAGE_TLS_DIRECTORY64, and the variable that guards of local statics are compared with. */
__attribute__((section(".tls"))) u64 _tls_start = 0;
__attribute__((section(".tls$ZZZ"))) u64 _tls_end = 0;
_Thread_local int _Init_thread_epoch = (int)0x80000000;
u32 _tls_index;
const struct {
  const void *start, *end;
  u32 *index;
  initialiser *callbacks;
  u32 zeros, alignment;
} _tls_used = {&_tls_start, &_tls_end, &_tls_index, 0, 0, 0x00300000};

int _DllMainCRTStartup(void *module, u32 reason, void *reserved) {
  (void)module, (void)reserved;
  for (const initialiser *at = &first_initialiser + 1; reason == 1 && at < &last_initialiser; ++at)
    if (*at)
      (*at)();
  return 1;
}

void __security_check_cookie(u64 cookie) {
  if (cookie != __security_cookie)
    __builtin_trap();
}

#ifdef __x86_64__
/* The size is in rax, the stack is touched a page at a time, and no register changes. */
__asm__(".globl __chkstk\n.def __chkstk; .scl 2; .type 32; .endef\n.text\n__chkstk:\n"
        "  pushq %rcx\n  pushq %rax\n  leaq 24(%rsp), %rcx\n"
        "1: cmpq $4096, %rax\n  jb 2f\n  subq $4096, %rcx\n  orq $0, (%rcx)\n  subq $4096, %rax\n  jmp 1b\n"
        "2: subq %rax, %rcx\n  orq $0, (%rcx)\n  popq %rax\n  popq %rcx\n  retq\n");
void no_check(void *target) { (void)target; }
__asm__(".text\njump_to_rax:\n  jmpq *%rax\n");
void jump_to_rax(void);
#else
/* The size is in x15, in units of 16. */
__asm__(".globl __chkstk\n.def __chkstk; .scl 2; .type 32; .endef\n.text\n__chkstk:\n"
        "  lsl x16, x15, #4\n  mov x17, sp\n1: sub x17, x17, #4096\n  subs x16, x16, #4096\n"
        "  ldr xzr, [x17]\n  b.gt 1b\n  ret\n");
void no_check(void *target) { (void)target; }
void jump_to_rax(void) {}
#endif

void *__guard_check_icall_fptr = no_check;
void *__guard_dispatch_icall_fptr = jump_to_rax;
extern char __guard_fids_table[], __guard_fids_count[], __guard_flags[], __guard_iat_table[], __guard_iat_count[],
    __guard_longjmp_table[], __guard_longjmp_count[];

/* IMAGE_LOAD_CONFIG_DIRECTORY64 up to GuardLongJumpTargetCount. */
const struct {
  u32 size, stamp, version[1], flags[3];
  u64 unused[8];
  u64 cookie, handlers[2], check, dispatch, fids, fid_count;
  u32 guard_flags, integrity[3];
  u64 iat, iat_count, longjmp, longjmp_count;
} _load_config_used = {
    .size = sizeof _load_config_used,
    .cookie = (u64)&__security_cookie,
    .check = (u64)&__guard_check_icall_fptr,
    .dispatch = (u64)&__guard_dispatch_icall_fptr,
    .fids = (u64)&__guard_fids_table,
    .fid_count = (u64)&__guard_fids_count,
    .guard_flags = 0x10500,
    .iat = (u64)&__guard_iat_table,
    .iat_count = (u64)&__guard_iat_count,
    .longjmp = (u64)&__guard_longjmp_table,
    .longjmp_count = (u64)&__guard_longjmp_count,
};
