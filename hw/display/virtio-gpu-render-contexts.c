/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: the connections of the guest's Vulkan contexts
 */

#include "qemu/osdep.h"
#include "virtio-gpu-render-contexts.h"

#include <poll.h>
#include <sys/socket.h>

/* Where to look for a new socket, which gets the lowest number that is free */
#define MOST_DESCRIPTORS    65536

typedef struct Context {
    int fd;                     /* virglrenderer's, or -1 */
    ino_t socket;               /* that it refers to */
} Context;

static GMutex lock;
static GHashTable *contexts;    /* of Context, by ID; NULL: none */

static ino_t socket_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) ? 0 : st.st_ino;
}

/* The peer's credentials are those of who made the pair, not of who has it. */
static bool made_by(int fd, pid_t server)
{
    struct ucred peer = { 0 };
    socklen_t size = sizeof(peer);
    int type = 0;
    socklen_t type_size = sizeof(type);

    return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) &&
           type == SOCK_SEQPACKET &&
           !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) &&
           peer.pid == server;
}

static bool is_known(ino_t socket)
{
    GHashTableIter i;
    gpointer value;

    g_hash_table_iter_init(&i, contexts);
    while (g_hash_table_iter_next(&i, NULL, &value)) {
        if (((Context *)value)->socket == socket) {
            return true;
        }
    }
    return false;
}

static void find_socket(Context *context, pid_t server)
{
    long most = sysconf(_SC_OPEN_MAX);      /* -1: no limit */

    if (most < 0 || most > MOST_DESCRIPTORS) {
        most = MOST_DESCRIPTORS;
    }
    for (int fd = 0; fd < most; fd++) {
        if (made_by(fd, server) && !is_known(socket_of(fd))) {
            context->fd = fd;
            context->socket = socket_of(fd);
            return;
        }
    }
}

void virtio_gpu_render_contexts_add(uint32_t ctx_id, pid_t server)
{
    Context *context;

    if (!server) {
        return;
    }
    g_mutex_lock(&lock);
    if (!contexts) {
        contexts = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    }
    /* A guest may create one twice, which changes nothing. */
    if (!g_hash_table_contains(contexts, GUINT_TO_POINTER(ctx_id))) {
        context = g_new0(Context, 1);
        context->fd = -1;
        find_socket(context, server);
        g_hash_table_insert(contexts, GUINT_TO_POINTER(ctx_id), context);
    }
    g_mutex_unlock(&lock);
}

void virtio_gpu_render_contexts_remove(uint32_t ctx_id)
{
    g_mutex_lock(&lock);
    if (contexts) {
        g_hash_table_remove(contexts, GUINT_TO_POINTER(ctx_id));
    }
    g_mutex_unlock(&lock);
}

bool virtio_gpu_render_contexts_any(uint32_t *ctx_id)
{
    GHashTableIter i;
    gpointer key;
    bool found = false;

    g_mutex_lock(&lock);
    if (contexts) {
        g_hash_table_iter_init(&i, contexts);
        found = g_hash_table_iter_next(&i, &key, NULL);
    }
    g_mutex_unlock(&lock);
    if (found) {
        *ctx_id = GPOINTER_TO_UINT(key);
    }
    return found;
}

void virtio_gpu_render_contexts_clear(void)
{
    g_mutex_lock(&lock);
    g_clear_pointer(&contexts, g_hash_table_destroy);
    g_mutex_unlock(&lock);
}

/* With the lock held.  The number may be another file's by now. */
static bool cut(Context *context)
{
    return context->fd >= 0 && socket_of(context->fd) == context->socket &&
           !shutdown(context->fd, SHUT_RDWR);
}

RenderCut virtio_gpu_render_contexts_cut(uint32_t ctx_id)
{
    RenderCut result = RENDER_CUT_UNKNOWN;
    Context *context = NULL;

    g_mutex_lock(&lock);
    if (contexts) {
        context = g_hash_table_lookup(contexts, GUINT_TO_POINTER(ctx_id));
    }
    if (context) {
        result = cut(context) ? RENDER_CUT_DONE : RENDER_CUT_NO_SOCKET;
    }
    g_mutex_unlock(&lock);
    return result;
}

/*
 * A sender begins to wait when the buffer is full, and goes on waiting while
 * the worker receives a part of it: Linux wakes it when it also wakes poll().
 */
static bool is_full(int fd)
{
    struct pollfd room = { .fd = fd, .events = POLLOUT };

    return poll(&room, 1, 0) == 0;
}

unsigned virtio_gpu_render_contexts_cut_full(void)
{
    GHashTableIter i;
    gpointer value;
    unsigned n = 0;

    g_mutex_lock(&lock);
    if (contexts) {
        g_hash_table_iter_init(&i, contexts);
        while (g_hash_table_iter_next(&i, NULL, &value)) {
            Context *context = value;

            n += context->fd >= 0 && is_full(context->fd) && cut(context);
        }
    }
    g_mutex_unlock(&lock);
    return n;
}
