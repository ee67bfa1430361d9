/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a program without privileges can do to a blob
 */
#ifndef MISUSE_H
#define MISUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE        4096u
#define BLOB_BYTES  (4 * PAGE)

/* The blob that an attempt works on, mapped for reading and writing. */
struct scene {
    int gpu;
    uint32_t handle;
    uint64_t offset;            /* for mmap() of the render node */
    uint8_t *blob;
};

struct attempt {
    const char *name;
    void (*run)(const struct scene *scene);
};

/*
 * Each runs in a process of its own. What became of it is the text of note(),
 * or the signal that ended the process.
 */
extern const struct attempt exec_attempts[], call_attempts[], race_attempts[];

/* Records the outcome; the last one counts. */
void __attribute__((format(printf, 1, 2))) note(const char *format, ...);

/* Records "done", or the name of errno. */
void note_result(long result);

/* Another mapping of the blob, at @at if that is not NULL. Ends on an error. */
uint8_t *map_again(const struct scene *scene, void *at, int prot);

/* Another blob, of @scene's open GPU: the user may not be able to open it. */
void scene_new_blob(struct scene *scene);

/*
 * Tries each instruction on a blob and on memory, and prints the answer;
 * @names: those to leave out or, with @only, those to try; NULL: all
 */
int run_instructions(const char *names, bool only);

#endif
