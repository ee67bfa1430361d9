/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: workers of a render server, and one itself, that do not answer
 *
 * A process makes the sockets, as the render server does, and keeps their other
 * ends: what is sent there stays there.
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/report-limit.h"
#include "standard-headers/linux/virtio_gpu.h"
#include "hw/display/virtio-gpu-render-contexts.h"
#include "hw/display/virtio-gpu-render-server.h"
#include "hw/display/virtio-gpu-render-watch.h"

#include <sys/socket.h>
#include <sys/wait.h>

#define LIMIT       2           /* seconds; the least that tells it from one */

static struct {
    pid_t pid;
    int fd;                     /* of virglrenderer, to the server */
    unsigned killed;
    GString *messages;
} server;

/* A worker that receives a few messages, and then no more */
static void receive_some(int fd)
{
    char buf[1024];

    g_usleep(G_USEC_PER_SEC / 2);
    for (int i = 0; i < 30; i++) {
        recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
    }
}

/* The render server: it answers by one end of a new socket. */
static void serve(int fd)
{
    int worker = -1;
    char byte;

    while (recv(fd, &byte, 1, 0) == 1) {
        char control[CMSG_SPACE(sizeof(int))] = { 0 };
        struct iovec iov = { &byte, 1 };
        struct msghdr msg = {
            .msg_iov = &iov, .msg_iovlen = 1,
            .msg_control = control, .msg_controllen = sizeof(control),
        };
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        int fds[2];

        if (byte == 'r') {
            receive_some(worker);
            continue;
        }
        if (byte == 'h' || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds)) {
            pause();
        }
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &fds[0], sizeof(int));
        if (sendmsg(fd, &msg, 0) != 1) {
            break;
        }
        close(fds[0]);
        worker = fds[1];
    }
    _exit(0);
}

static void start(void)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), ==, 0);
    server.messages = g_string_new(NULL);
    server.killed = 0;
    server.fd = fds[0];
    server.pid = fork();
    if (!server.pid) {
        close(fds[0]);
        serve(fds[1]);
    }
    close(fds[1]);
    virtio_gpu_render_watch_start(LIMIT);
}

static void stop(void)
{
    virtio_gpu_render_watch_stop();
    virtio_gpu_render_contexts_clear();
    close(server.fd);
    kill(server.pid, SIGKILL);
    waitpid(server.pid, NULL, 0);
    g_string_free(server.messages, true);
}

/* A command is processed up to its call of virglrenderer. */
static void begin(uint32_t type, uint32_t ctx_id)
{
    virtio_gpu_render_watch_begin();
    virtio_gpu_render_watch_label(type, ctx_id);
}

/* The watch's thread has said, and done, all that it wants to. */
static bool end_watched(void)
{
    bool slow = virtio_gpu_render_watch_end();

    virtio_gpu_render_watch_stop();
    return slow;
}

/* virglrenderer creates a context; returns its socket. */
static int create(uint32_t ctx_id)
{
    char control[CMSG_SPACE(sizeof(int))], byte;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = control, .msg_controllen = sizeof(control),
    };
    int fd;

    g_assert_cmpint(send(server.fd, "c", 1, 0), ==, 1);
    g_assert_cmpint(recvmsg(server.fd, &msg, 0), ==, 1);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
    virtio_gpu_render_contexts_add(ctx_id, server.pid);
    return fd;
}

/* virglrenderer sends without waiting for an answer; returns the last errno. */
static int send_all(int fd, unsigned most)
{
    char buf[1024] = "";

    for (; most; most--) {
        if (send(fd, buf, sizeof(buf), MSG_NOSIGNAL) < 0) {
            return errno;
        }
    }
    return 0;
}

static bool is_alive(int fd)
{
    return send_all(fd, 1) == 0;
}

/* QEMU */

static void message(const char *fmt, va_list ap)
{
    g_string_append_vprintf(server.messages, fmt, ap);
    g_string_append_c(server.messages, '\n');
}

void error_report_limited(ReportLimit *limit, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    message(fmt, ap);
    va_end(ap);
}

void warn_report_limited(ReportLimit *limit, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    message(fmt, ap);
    va_end(ap);
}

bool virtio_gpu_render_server_kill(void)
{
    server.killed++;
    kill(server.pid, SIGKILL);
    return true;
}

/* Tests; without the watch, they do not end. */

/* Waits for an answer: that context ends, and no other. */
static void test_no_answer(void)
{
    int first, second, third;
    char byte;

    start();
    first = create(1);
    second = create(2);
    third = create(3);
    begin(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 2);
    g_assert_cmpint(send_all(second, 1), ==, 0);
    g_assert_cmpint(recv(second, &byte, 1, 0), ==, 0);
    g_assert_true(end_watched());
    g_assert_false(is_alive(second));
    g_assert_true(is_alive(first));
    g_assert_true(is_alive(third));
    g_assert_cmpuint(server.killed, ==, 0);
    g_assert_nonnull(strstr(server.messages->str, "0x10c"));
    g_assert_nonnull(strstr(server.messages->str, "Vulkan context 2"));
    g_assert_nonnull(strstr(server.messages->str, "venus-timeout"));
    close(first);
    close(second);
    close(third);
    stop();
}

/* Waits for room for a message, which the command's context tells */
static void test_no_room(void)
{
    int first, second;

    start();
    first = create(1);
    second = create(2);
    begin(VIRTIO_GPU_CMD_SUBMIT_3D, 1);
    g_assert_cmpint(send_all(first, UINT_MAX), ==, EPIPE);
    g_assert_true(end_watched());
    g_assert_true(is_alive(second));
    g_assert_cmpuint(server.killed, ==, 0);
    close(first);
    close(second);
    stop();
}

/* The same for a command that names no context, which is about all of them */
static void test_some_no_room(void)
{
    int first, second;

    start();
    first = create(1);
    second = create(2);
    g_assert_true(is_alive(first));
    begin(VIRTIO_GPU_CMD_RESOURCE_UNREF, 0);
    g_assert_cmpint(send_all(second, UINT_MAX), ==, EPIPE);
    g_assert_true(end_watched());
    g_assert_true(is_alive(first));
    g_assert_cmpuint(server.killed, ==, 0);
    g_assert_nonnull(strstr(server.messages->str, "1 Vulkan contexts"));
    close(first);
    close(second);
    stop();
}

/* Linux does not wake a sender when there is only some room. */
static void test_some_room(void)
{
    int first, second;

    start();
    first = create(1);
    second = create(2);
    g_assert_cmpint(send(server.fd, "r", 1, 0), ==, 1);
    begin(VIRTIO_GPU_CMD_RESOURCE_UNREF, 0);
    g_assert_cmpint(send_all(second, UINT_MAX), ==, EPIPE);
    g_assert_true(end_watched());
    g_assert_true(is_alive(first));
    g_assert_cmpuint(server.killed, ==, 0);
    close(first);
    close(second);
    stop();
}

/* A command is of another context than its header said at first. */
static void test_label(void)
{
    int first, second;
    char byte;

    start();
    first = create(1);
    second = create(2);
    begin(VIRTIO_GPU_CMD_SUBMIT_3D, 9);
    virtio_gpu_render_watch_label(VIRTIO_GPU_CMD_SUBMIT_3D, 2);
    g_assert_cmpint(recv(second, &byte, 1, 0), ==, 0);
    g_assert_true(end_watched());
    g_assert_true(is_alive(first));
    g_assert_cmpuint(server.killed, ==, 0);
    close(first);
    close(second);
    stop();
}

/* OpenGL takes long, and then the same command waits for a worker. */
static void test_late(void)
{
    int fd;

    start();
    fd = create(1);
    begin(VIRTIO_GPU_CMD_RESOURCE_UNREF, 0);
    g_usleep((LIMIT + 3) * G_USEC_PER_SEC);
    g_assert_true(is_alive(fd));
    g_assert_cmpint(send_all(fd, UINT_MAX), ==, EPIPE);
    g_assert_true(end_watched());
    g_assert_cmpuint(server.killed, ==, 0);
    g_assert_nonnull(strstr(server.messages->str, "not because of the render"));
    close(fd);
    stop();
}

/* The server, not a worker */
static void test_server(void)
{
    char byte;

    start();
    begin(VIRTIO_GPU_CMD_CTX_CREATE, 1);
    g_assert_cmpint(send(server.fd, "h", 1, 0), ==, 1);
    g_assert_cmpint(recv(server.fd, &byte, 1, 0), ==, 0);
    end_watched();
    g_assert_cmpuint(server.killed, ==, 1);
    stop();
}

/* A slow command of OpenGL is nobody's fault. */
static void test_other(void)
{
    int fd;

    start();
    fd = create(1);
    begin(VIRTIO_GPU_CMD_SUBMIT_3D, 9);
    g_usleep((LIMIT + 9) * G_USEC_PER_SEC);
    g_assert_true(end_watched());
    g_assert_true(is_alive(fd));
    g_assert_cmpuint(server.killed, ==, 0);
    g_assert_nonnull(strstr(server.messages->str, "not because of the render"));
    close(fd);
    stop();
}

/* The descriptor's number is another file's, and the server is what is left. */
static void test_reused(void)
{
    int fd, pair[2];

    start();
    fd = create(1);
    close(fd);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), ==, 0);
    g_assert_cmpint(pair[0], ==, fd);
    g_assert_cmpint(virtio_gpu_render_contexts_cut(1), ==,
                    RENDER_CUT_NO_SOCKET);
    g_assert_cmpuint(virtio_gpu_render_contexts_cut_full(), ==, 0);
    g_assert_true(is_alive(pair[0]));
    g_assert_cmpint(virtio_gpu_render_contexts_cut(2), ==, RENDER_CUT_UNKNOWN);
    close(pair[0]);
    close(pair[1]);
    stop();
}

/* A context comes, goes and comes again; sockets of others are none of it. */
static void test_contexts(void)
{
    int first, again, pair[2];
    uint32_t any;

    start();
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), ==, 0);
    first = create(1);
    virtio_gpu_render_contexts_add(1, server.pid);      /* by a guest */
    again = create(2);
    virtio_gpu_render_contexts_remove(1);
    close(first);
    g_assert_cmpint(virtio_gpu_render_contexts_cut(1), ==, RENDER_CUT_UNKNOWN);
    first = create(1);
    g_assert_cmpint(virtio_gpu_render_contexts_cut(1), ==, RENDER_CUT_DONE);
    g_assert_false(is_alive(first));
    g_assert_true(is_alive(again));
    g_assert_true(is_alive(pair[0]));
    virtio_gpu_render_contexts_remove(1);
    g_assert_true(virtio_gpu_render_contexts_any(&any));
    g_assert_cmpuint(any, ==, 2);
    virtio_gpu_render_contexts_clear();
    g_assert_false(virtio_gpu_render_contexts_any(&any));
    g_assert_cmpint(virtio_gpu_render_contexts_cut(2), ==, RENDER_CUT_UNKNOWN);
    close(first);
    close(again);
    close(pair[0]);
    close(pair[1]);
    stop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/render-watch/no-answer", test_no_answer);
    g_test_add_func("/render-watch/no-room", test_no_room);
    g_test_add_func("/render-watch/some-no-room", test_some_no_room);
    g_test_add_func("/render-watch/some-room", test_some_room);
    g_test_add_func("/render-watch/label", test_label);
    g_test_add_func("/render-watch/late", test_late);
    g_test_add_func("/render-watch/server", test_server);
    g_test_add_func("/render-watch/other", test_other);
    g_test_add_func("/render-watch/reused", test_reused);
    g_test_add_func("/render-watch/contexts", test_contexts);
    return g_test_run();
}
