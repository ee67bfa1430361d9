/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accesses while another thread changes the mapping: a trapped access has
 * begun, and what it began with is no longer there
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "misuse.h"

#define RACE_S      2

struct race {
    const struct scene *scene;
    struct scene other;
    uint8_t *at;                /* what changes */
    uint8_t *memory;            /* plain memory, two pages */
    atomic_bool over;
};

/* Restarts whatever faulted. */
static sigjmp_buf again;

static void on_fault(int number)
{
    siglongjmp(again, number);
}

/* Wide, across pages, and with a repetition: several exits each */
static void access_wildly(struct race *race)
{
    uint8_t *at = race->at;
    uint64_t words[2] = { 1, 2 };
    void *to = at + PAGE - 64, *from = race->memory + PAGE - 32;
    size_t count = 64;

    __asm__ volatile("movdqu %0, %%xmm0\n\t"
                     "movdqu %%xmm0, %1\n\t"
                     "movdqu %2, %%xmm1"
                     : : "m"(words), "m"(at[PAGE - 7]), "m"(at[PAGE - 5])
                     : "xmm0", "xmm1", "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count)
                     : : "memory");
    __asm__ volatile("lock xaddq %0, %1" : "+r"(words[0])
                     : "m"(at[128]) : "memory");
    __asm__ volatile("pushq (%0); popq 8(%0)" : : "r"(at + 256) : "memory");
}

static void *accessor(void *opaque)
{
    struct race *race = opaque;

    sigsetjmp(again, 1);
    while (!race->over) {
        access_wildly(race);
    }
    return NULL;
}

static void pause_briefly(unsigned int n)
{
    struct timespec t = { .tv_nsec = 20000 + n * 7919 % 200000 };

    nanosleep(&t, NULL);
}

static void run_race(const struct scene *s,
                     void (*change)(struct race *race, unsigned int n))
{
    struct race race = { .scene = s, .other = { .gpu = s->gpu } };
    struct sigaction action = {
        .sa_handler = on_fault,
        .sa_flags = SA_NODEFER,
    };
    time_t end = time(NULL) + RACE_S;
    pthread_t thread;
    unsigned int n;

    scene_new_blob(&race.other);
    race.at = s->blob;
    race.memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    pthread_create(&thread, NULL, accessor, &race);
    for (n = 0; time(NULL) < end; n++) {
        change(&race, n);
        pause_briefly(n);
    }
    race.over = true;
    mprotect(race.at, BLOB_BYTES, PROT_READ | PROT_WRITE);
    pthread_join(thread, NULL);
    note("done");
}

static void change_protection(struct race *race, unsigned int n)
{
    static const int protections[] = {
        PROT_NONE, PROT_READ | PROT_WRITE, PROT_READ, PROT_READ | PROT_WRITE,
    };

    mprotect(race->at, BLOB_BYTES, protections[n % 4]);
}

/* The same address is this blob, memory, nothing, the other blob. */
static void change_object(struct race *race, unsigned int n)
{
    switch (n % 4) {
    case 0:
        mmap(race->at, BLOB_BYTES, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        break;
    case 1:
        map_again(race->scene, race->at, PROT_READ | PROT_WRITE);
        break;
    case 2:
        munmap(race->at, BLOB_BYTES);
        break;
    default:
        map_again(&race->other, race->at, PROT_READ | PROT_WRITE);
        break;
    }
}

/* The source of a repeated move goes and comes. */
static void change_memory(struct race *race, unsigned int n)
{
    if (n % 2) {
        mmap(race->memory, 2 * PAGE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    } else {
        munmap(race->memory + PAGE, PAGE);
    }
}

/* The second page of what is accessed is now this, now another blob's. */
static void change_neighbour(struct race *race, unsigned int n)
{
    const struct scene *s = n % 2 ? &race->other : race->scene;
    uint8_t *at = map_again(s, NULL, PROT_READ | PROT_WRITE);

    mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, race->at + PAGE);
    munmap(at + PAGE, BLOB_BYTES - PAGE);
}

/* Only the second page of what is accessed comes and goes. */
static void change_second(struct race *race, unsigned int n)
{
    mprotect(race->at + PAGE, PAGE, n % 2 ? PROT_READ | PROT_WRITE : PROT_NONE);
}

static void race_second(const struct scene *s)
{
    run_race(s, change_second);
}

static void race_protection(const struct scene *s)
{
    run_race(s, change_protection);
}

static void race_object(const struct scene *s)
{
    run_race(s, change_object);
}

static void race_memory(const struct scene *s)
{
    run_race(s, change_memory);
}

static void race_neighbour(const struct scene *s)
{
    run_race(s, change_neighbour);
}

const struct attempt race_attempts[] = {
    { "race-mprotect", race_protection },
    { "race-munmap", race_object },
    { "race-memory", race_memory },
    { "race-neighbour", race_neighbour },
    { "race-second", race_second },
    { NULL, NULL }
};
