/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: a render server that is missing, comes, and ends
 *
 * This program is the render server, too.
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/report-limit.h"
#include "qemu/timer.h"
#include "hw/display/virtio-gpu-render-server.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#define VARIABLE    "RENDER_SERVER_EXEC_PATH"
#define MISSING     "/nonexistent/virgl_render_server"
#define HELLO       "hello"
#define HANDLERS    8
#define WAIT_MS     10000

static struct {
    int64_t now;
    struct {
        int fd;                 /* -1: unused */
        IOHandler *read;
        void *opaque;
    } handlers[HANDLERS];
    GString *errors, *messages;
    int fd;                     /* virglrenderer's */
} fake;

/* The render server: answers with the number of messages since the hello */
static int serve(int fd)
{
    char buf[64];
    unsigned n = 0;

    if (recv(fd, buf, sizeof(buf), 0) != strlen(HELLO) ||
        memcmp(buf, HELLO, strlen(HELLO))) {
        return 2;
    }
    for (;;) {
        ssize_t size = recv(fd, buf, sizeof(buf) - 1, 0);

        if (size <= 0) {
            return 0;
        }
        buf[size] = '\0';
        n++;
        if (g_str_has_prefix(buf, "log ")) {
            for (int i = atoi(buf + 4); i; i--) {
                fprintf(stderr, "line %d\n", i);
            }
        }
        if (g_str_equal(buf, "exit")) {
            return 3;
        }
        if (g_str_equal(buf, "hang")) {
            fork();             /* a worker */
            pause();
        }
        g_assert_cmpint(send(fd, &n, sizeof(n), 0), ==, sizeof(n));
    }
}

/* QEMU */

int64_t qemu_clock_get_ms(int clock)
{
    return fake.now;
}

void qemu_set_fd_handler(int fd, IOHandler *fd_read, IOHandler *fd_write,
                         void *opaque)
{
    int i;

    for (i = 0; i < HANDLERS && fake.handlers[i].fd != fd; i++) {
        continue;
    }
    for (int j = 0; i == HANDLERS && fd_read && j < HANDLERS; j++) {
        i = fake.handlers[j].fd < 0 ? j : i;
    }
    g_assert_cmpint(i, <, HANDLERS);
    fake.handlers[i].fd = fd_read ? fd : -1;
    fake.handlers[i].read = fd_read;
    fake.handlers[i].opaque = opaque;
}

static bool run_main_loop(int ms)
{
    bool any = false;

    for (int i = 0; i < HANDLERS; i++) {
        struct pollfd p = { .fd = fake.handlers[i].fd, .events = POLLIN };

        if (p.fd >= 0 && poll(&p, 1, ms) == 1) {
            fake.handlers[i].read(fake.handlers[i].opaque);
            any = true;
        }
    }
    return any;
}

static unsigned nr_handlers(void)
{
    unsigned n = 0;

    for (int i = 0; i < HANDLERS; i++) {
        n += fake.handlers[i].fd >= 0;
    }
    return n;
}

void error_report_limited(ReportLimit *limit, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_string_append_vprintf(fake.errors, fmt, ap);
    va_end(ap);
    g_string_append_c(fake.errors, '\n');
}

void warn_report_limited(ReportLimit *limit, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_string_append_vprintf(fake.messages, fmt, ap);
    va_end(ap);
    g_string_append_c(fake.messages, '\n');
}

char *report_limit_text(const char *text)
{
    return g_strdup(text);
}

/* virglrenderer */

static void start_renderer(void)
{
    fake.now = 100000;
    fake.errors = g_string_new(NULL);
    fake.messages = g_string_new(NULL);
    for (int i = 0; i < HANDLERS; i++) {
        fake.handlers[i].fd = -1;
    }
    fake.fd = virtio_gpu_render_server_fd(NULL, 0);
    g_assert_cmpint(fake.fd, >=, 0);
    g_assert_cmpint(send(fake.fd, HELLO, strlen(HELLO), 0), >, 0);
}

static void stop_renderer(void)
{
    close(fake.fd);
    virtio_gpu_render_server_stop();
    while (nr_handlers()) {
        g_assert_true(run_main_loop(WAIT_MS));
    }
    g_string_free(fake.errors, true);
    g_string_free(fake.messages, true);
}

/* Returns the answer of the server, or 0 if there is none */
static unsigned ask(const char *message)
{
    unsigned answer;

    if (send(fake.fd, message, strlen(message), MSG_NOSIGNAL) < 0 ||
        recv(fake.fd, &answer, sizeof(answer), 0) != sizeof(answer)) {
        return 0;
    }
    return answer;
}

static void wait_for_error(const char *text)
{
    for (int ms = 0; !strstr(fake.errors->str, text); ms += 10) {
        g_assert_cmpint(ms, <, WAIT_MS);
        run_main_loop(10);
    }
}

/* Tests */

static void test_runs(void)
{
    start_renderer();
    g_assert_true(virtio_gpu_render_server_start());
    g_assert_cmpuint(ask("one"), ==, 1);
    g_assert_true(virtio_gpu_render_server_start());
    g_assert_cmpuint(ask("two"), ==, 2);
    g_assert_cmpstr(fake.errors->str, ==, "");
    stop_renderer();
}

/* Said at start; what is sent fails instead of waiting; then it is there. */
static void test_missing(void)
{
    g_autofree char *self = g_strdup(g_getenv(VARIABLE));

    g_setenv(VARIABLE, MISSING, true);
    start_renderer();
    virtio_gpu_render_server_check();
    g_assert_nonnull(strstr(fake.errors->str, MISSING));
    g_assert_nonnull(strstr(fake.errors->str, "virgl-server"));
    for (int i = 0; i < 1000; i++) {
        g_assert_false(virtio_gpu_render_server_start());
        g_assert_cmpuint(ask("into the void"), ==, 0);
    }
    g_setenv(VARIABLE, self, true);
    g_assert_true(virtio_gpu_render_server_start());
    g_assert_cmpuint(ask("one"), ==, 1);
    stop_renderer();
}

/* virglrenderer's descriptor stays, and the new server gets the hello, too. */
static void test_ends(void)
{
    start_renderer();
    g_assert_true(virtio_gpu_render_server_start());
    g_assert_cmpuint(ask("one"), ==, 1);
    g_assert_cmpuint(ask("exit"), ==, 0);
    wait_for_error("ended with status 3");

    g_assert_false(virtio_gpu_render_server_start());   /* too soon */
    fake.now += 1000;
    g_assert_true(virtio_gpu_render_server_start());
    g_assert_cmpuint(ask("one"), ==, 1);
    g_assert_cmpuint(ask("two"), ==, 2);
    stop_renderer();
}

/* Ended, but the main loop has not learned that yet */
static void test_ends_unnoticed(void)
{
    start_renderer();
    g_assert_true(virtio_gpu_render_server_start());
    g_assert_cmpuint(ask("exit"), ==, 0);
    fake.now += 1000;
    for (int ms = 0; !ask("one"); ms++) {
        g_assert_cmpint(ms, <, WAIT_MS);
        g_usleep(1000);
        g_assert_true(virtio_gpu_render_server_start());
    }
    g_assert_nonnull(strstr(fake.errors->str, "ended with status 3"));
    stop_renderer();
}

/* After a clean-up the number may be another file's. */
static void test_closed(void)
{
    int other;

    start_renderer();
    g_assert_true(virtio_gpu_render_server_start());
    g_assert_cmpuint(ask("exit"), ==, 0);
    wait_for_error("ended with status 3");
    close(fake.fd);
    other = open("/dev/null", O_RDWR);
    g_assert_cmpint(other, ==, fake.fd);
    fake.now += 1000;
    g_assert_false(virtio_gpu_render_server_start());
    g_assert_cmpint(write(other, "x", 1), ==, 1);
    stop_renderer();
}

/* Lines are QEMU's to report; a server that nobody reads does not stop. */
static void test_log(void)
{
    start_renderer();
    g_assert_true(virtio_gpu_render_server_start());
    g_assert_cmpuint(ask("log 2"), ==, 1);
    while (!strstr(fake.messages->str, "line 1\n")) {
        g_assert_true(run_main_loop(WAIT_MS));
    }
    g_assert_cmpstr(fake.messages->str, ==,
                    "render server: line 2\nrender server: line 1\n");
    g_assert_cmpuint(ask("log 100000"), ==, 2);
    stop_renderer();
}

static void *kill_later(void *opaque)
{
    g_usleep(100 * 1000);
    g_assert_true(virtio_gpu_render_server_kill());
    return NULL;
}

/*
 * It hangs while QEMU waits for it.  Its worker ends, too: the log is not at an
 * end before.
 */
static void test_killed(void)
{
    GThread *killer;

    start_renderer();
    g_assert_true(virtio_gpu_render_server_start());
    g_assert_cmpuint(ask("one"), ==, 1);
    killer = g_thread_new("killer", kill_later, NULL);
    g_assert_cmpuint(ask("hang"), ==, 0);
    g_thread_join(killer);
    wait_for_error("was killed by signal 9");
    g_assert_false(virtio_gpu_render_server_kill());    /* that of nobody */
    while (nr_handlers()) {
        g_assert_true(run_main_loop(WAIT_MS));
    }
    fake.now += 1000;
    g_assert_true(virtio_gpu_render_server_start());
    g_assert_cmpuint(ask("one"), ==, 1);
    stop_renderer();
}

int main(int argc, char **argv)
{
    g_autofree char *self = NULL;

    if (argc == 3 && g_str_equal(argv[1], "--socket-fd")) {
        return serve(atoi(argv[2]));
    }
    self = g_file_read_link("/proc/self/exe", NULL);
    g_setenv(VARIABLE, self, true);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/render-server/runs", test_runs);
    g_test_add_func("/render-server/missing", test_missing);
    g_test_add_func("/render-server/ends", test_ends);
    g_test_add_func("/render-server/ends-unnoticed", test_ends_unnoticed);
    g_test_add_func("/render-server/closed", test_closed);
    g_test_add_func("/render-server/log", test_log);
    g_test_add_func("/render-server/killed", test_killed);
    return g_test_run();
}
