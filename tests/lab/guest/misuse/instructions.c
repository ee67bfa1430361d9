/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kinds of instructions, each on a blob and on memory, each in a process of
 * its own. Xen's emulator runs those on a trapped blob.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../blobtool/blob.h"
#include "misuse.h"

#define WORDS   (BLOB_BYTES / 8)

/*
 * An instruction on @p, which is a page boundary minus 64 octets; what it
 * reads goes to @out.
 */
struct kind {
    const char *name;
    void (*run)(uint8_t *p, uint8_t *out);
};

#define KIND(name) \
    static void run_##name(uint8_t *p, uint8_t *out __attribute__((unused)))
#define STRADDLE(n) (p + 64 - (n))
#define ASM(...) __asm__ volatile(__VA_ARGS__)

KIND(mov)
{
    ASM("movq (%0), %%rax; movq %%rax, 8(%0); movb %%al, 3(%0);"
        "movw %%ax, 61(%0); movl %%eax, 62(%0)"
        : : "r"(p) : "rax", "memory");
}

KIND(movdqu)
{
    ASM("movdqu (%1), %%xmm0; movdqu %%xmm0, (%0)"
        : : "r"(STRADDLE(7)), "r"(p + 128) : "xmm0", "memory");
}

KIND(movntdq)
{
    ASM("movdqa (%0), %%xmm0; movntdq %%xmm0, 16(%0); sfence"
        : : "r"(p) : "xmm0", "memory");
}

KIND(maskmovdqu)
{
    ASM("pcmpeqd %%xmm1, %%xmm1; psrlq $20, %%xmm1; movdqu (%1), %%xmm0;"
        "maskmovdqu %%xmm1, %%xmm0"
        : : "D"(STRADDLE(8)), "r"(p + 128) : "xmm0", "xmm1", "memory");
}

KIND(xadd)
{
    uint64_t value = 5;

    ASM("lock xaddq %0, (%1)" : "+r"(value) : "r"(p) : "memory");
    memcpy(out, &value, 8);
}

KIND(xchg)
{
    uint32_t value = 0xabcdef01;

    ASM("xchg %0, (%1)" : "+r"(value) : "r"(p) : "memory");
    memcpy(out, &value, 4);
}

KIND(and_or)
{
    ASM("lock andl $0x7fff00ff, (%0); lock orl $0x1001, 4(%0); lock incq 8(%0);"
        "lock btsl $9, 16(%0)" : : "r"(p) : "memory");
}

KIND(cmpxchg)
{
    uint64_t old = *(volatile uint64_t *)p, new = 77;

    ASM("lock cmpxchgq %2, (%1)" : "+a"(old) : "r"(p), "r"(new) : "memory");
    memcpy(out, &old, 8);
}

KIND(cmpxchg16b)
{
    uint64_t a = ((volatile uint64_t *)p)[0], d = ((volatile uint64_t *)p)[1];

    ASM("lock cmpxchg16b (%2)" : "+a"(a), "+d"(d)
        : "r"(p), "b"(1), "c"(2) : "memory");
    memcpy(out, &a, 8);
    memcpy(out + 8, &d, 8);
}

KIND(rep_movs)
{
    void *to = STRADDLE(40), *from = p + 600;
    size_t count = 300;

    ASM("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    to = out;
    from = STRADDLE(60);
    count = 37;
    ASM("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

KIND(rep_movs_back)
{
    void *to = p + 500, *from = p + 400;
    size_t count = 480;

    ASM("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

KIND(rep_stos)
{
    void *to = STRADDLE(33);
    size_t count = 20;

    ASM("rep stosl" : "+D"(to), "+c"(count) : "a"(0x12345678) : "memory");
}

KIND(cmps_scas)
{
    void *a = p, *b = p + 64;
    size_t count = 100;

    ASM("repe cmpsb" : "+D"(a), "+S"(b), "+c"(count) : : "memory", "cc");
    memcpy(out, &count, 8);
    a = p;
    count = 100;
    ASM("repne scasb" : "+D"(a), "+c"(count) : "a"(p[70]) : "memory", "cc");
    memcpy(out + 8, &count, 8);
}

KIND(push_pop)
{
    ASM("pushq (%0); popq 8(%0)" : : "r"(p) : "memory");
}

KIND(sse)
{
    ASM("movdqu (%1), %%xmm0; paddd (%0), %%xmm0; pshufb 16(%0), %%xmm0;"
        "movdqu %%xmm0, (%1); movhps %%xmm0, 24(%0)"
        : : "r"(p), "r"(out) : "xmm0", "memory");
}

KIND(flush)
{
    ASM("clflush (%0); prefetcht0 64(%0); mfence" : : "r"(p) : "memory");
}

/* The x87 unit */

KIND(fld64)
{
    ASM("fldpi; fstpl (%0); fldl (%0); fstpl 16(%0)"
        : : "r"(STRADDLE(4)) : "memory");
}

KIND(fld80)
{
    memset(p, 0, 16);
    p[7] = 0x80;
    p[8] = 0xff;
    p[9] = 0x3f;
    ASM("fldt (%0); fstpl (%1)" : : "r"(p), "r"(out) : "memory");
}

KIND(fstp80)
{
    ASM("fld1; fldpi; fstpt (%0); fstpl 16(%0)"
        : : "r"(p) : "memory");
}

KIND(fbstp)
{
    ASM("fld1; fldpi; fbstp (%0); fstpl 16(%0)"
        : : "r"(p) : "memory");
}

KIND(fnstcw)
{
    ASM("fnstcw (%0); fldcw (%0); fnstsw 4(%0); stmxcsr 8(%0); ldmxcsr 8(%0)"
        : : "r"(p) : "memory");
}

KIND(fnstenv)
{
    ASM("fninit; fnstenv (%0); fldenv (%0)" : : "r"(p) : "memory");
}

KIND(fnsave)
{
    ASM("fninit; fnsave (%0); frstor (%0)" : : "r"(p) : "memory");
}

static uint8_t *of_16(uint8_t *p)
{
    return (uint8_t *)(((uintptr_t)p + 63) & -64ul);
}

/* What is saved differs between two processes, so it is cleared. */
KIND(fxsave)
{
    ASM("fxsave64 (%0)" : : "r"(of_16(p)) : "memory");
    memset(of_16(p), 0, 512);
}

KIND(fxrstor)
{
    static uint8_t state[512] __attribute__((aligned(64)));

    ASM("fxsave64 (%0)" : : "r"(state) : "memory");
    memcpy(of_16(p), state, 512);
    ASM("fxrstor64 (%0)" : : "r"(of_16(p)) : "memory");
    memset(of_16(p), 0, 512);
}

KIND(xsave)
{
    memset(of_16(p) + 512, 0, 64);
    ASM("xsave64 (%0)" : : "r"(of_16(p)), "a"(3), "d"(0) : "memory");
    memset(of_16(p), 0, 576);
}

KIND(xrstor)
{
    static uint8_t state[1024] __attribute__((aligned(64)));

    ASM("xsave64 (%0)" : : "r"(state), "a"(3), "d"(0) : "memory");
    memcpy(of_16(p), state, 576);
    ASM("xrstor64 (%0)"
        : : "r"(of_16(p)), "a"(3), "d"(0) : "memory");
    memset(of_16(p), 0, 576);
}

#define ENTRY(name) { #name, run_##name }
static const struct kind kinds[] = {
    ENTRY(mov), ENTRY(movdqu), ENTRY(movntdq), ENTRY(maskmovdqu), ENTRY(xadd),
    ENTRY(xchg), ENTRY(and_or), ENTRY(cmpxchg), ENTRY(cmpxchg16b),
    ENTRY(rep_movs), ENTRY(rep_movs_back), ENTRY(rep_stos), ENTRY(cmps_scas),
    ENTRY(push_pop), ENTRY(sse), ENTRY(flush), ENTRY(fld64), ENTRY(fld80),
    ENTRY(fstp80), ENTRY(fbstp), ENTRY(fnstcw), ENTRY(fnstenv), ENTRY(fnsave),
    ENTRY(fxsave), ENTRY(fxrstor), ENTRY(xsave), ENTRY(xrstor),
};

#define LIMIT_S     40      /* on a busy machine, 600 trapped accesses */
#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* What the instructions access; each trapped access takes long. */
#define FIRST       ((PAGE - 256) / sizeof(uint64_t))
#define BEHIND      ((PAGE + 1792) / sizeof(uint64_t))

static void fill(volatile uint64_t *words, size_t i, size_t end)
{
    for (; i < end; i++) {
        words[i] = (i + 1) * 0x9e3779b97f4a7c15ull;
    }
}

/* Returns the signal that ended it, SIGALRM if it does not end, or 0. */
static int run_on(const struct kind *kind, uint8_t *at, uint8_t *out)
{
    int status;
    pid_t pid;

    memset(out, 0, PAGE);
    pid = fork();
    if (!pid) {
        alarm(LIMIT_S);
        kind->run(at + PAGE - 64, out);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static bool same_words(const volatile uint64_t *a, const uint64_t *b,
                       size_t i, size_t end)
{
    for (; i < end; i++) {
        if (a[i] != b[i]) {
            return false;
        }
    }
    return true;
}

int run_instructions(const char *names, bool only)
{
    uint8_t *memory = mmap(NULL, BLOB_BYTES + 2 * PAGE, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint8_t *out = memory + BLOB_BYTES, *out2 = out + PAGE;
    const char *separator = "{";
    struct scene scene = { .gpu = open_gpu() };
    uint64_t *words;

    scene_new_blob(&scene);
    words = (uint64_t *)scene.blob;
    fill(words, 0, WORDS);
    fill((uint64_t *)memory, 0, WORDS);
    for (size_t i = 0; i < NR_KINDS; i++) {
        int signal, signal2;

        if (names && !strstr(names, kinds[i].name) == only) {
            continue;
        }
        fill((uint64_t *)memory, FIRST, BEHIND);
        fill(words, FIRST, BEHIND);
        signal = run_on(&kinds[i], memory, out);
        signal2 = run_on(&kinds[i], scene.blob, out2);
        printf("%s\"%s\": \"", separator, kinds[i].name);
        separator = ", ";
        if (signal) {
            printf("SIG%s on memory", sigabbrev_np(signal));
        } else if (signal2) {
            printf("SIG%s", sigabbrev_np(signal2));
        } else {
            printf("%s", !memcmp(out, out2, PAGE) &&
                   same_words(words, (uint64_t *)memory, FIRST, BEHIND) ?
                   "right" : "wrong");
        }
        printf("\"");
        fflush(stdout);         /* shows which one does not end */
    }
    fill((uint64_t *)memory, FIRST, BEHIND);
    fill(words, FIRST, BEHIND);
    printf(", \"beside\": \"%s\"}\n",
           same_words(words, (uint64_t *)memory, 0, WORDS) ?
           "right" : "wrong");
    return 0;
}
