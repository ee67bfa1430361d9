/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: the render server of virglrenderer
 *
 * virglrenderer is given a socket when it is initialized, and never asks for
 * another.  To connect it to a new server, the descriptor that it holds is made
 * to refer to a new socket, and the first message that it sent, which tells a
 * server how to initialize itself, is sent again.
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/report-limit.h"
#include "qemu/timer.h"
#include "hw/display/virgl-prefix.h"
#include "virtio-gpu-render-server.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Names the program; virglrenderer knows this variable, too. */
#define VARIABLE        "RENDER_SERVER_EXEC_PATH"
#define MOST_HELLO      256     /* bytes of the first message; it has 8 */
#define MOST_LINE       1024    /* bytes; the rest of a line is dropped */
/* A server that ends at once is not started again in a loop. */
#define RESTART_MS      1000

static ReportLimit failures = { .what = "virtio-gpu: render server" };
static ReportLimit messages = { .what = "virtio-gpu: messages of the render "
                                        "server" };

/*
 * The main loop's.  While it waits for the server, another thread may kill it,
 * for which that needs the process and the socket.
 */
static GMutex lock;
static struct {
    int fd;                     /* held by virglrenderer; -1: none */
    ino_t socket;               /* that @fd refers to */
    int peer;                   /* the other end, or -1 */
    uint8_t hello[MOST_HELLO];
    ssize_t hello_size;
    GPid pid;                   /* 0: none */
    int pidfd;                  /* or -1 */
    int64_t started_ms;
} server = { .fd = -1, .peer = -1, .pidfd = -1 };

/* What a server, or a process that it started, writes to stderr */
typedef struct ServerLog {
    int fd;
    GString *line;
} ServerLog;

/* The program */

/* Where virglrenderer installs it, for the usual values of its libexecdir */
static char *find_program(void)
{
    static const char *const folders[] = { "libexec", "lib" };
    const char *named = g_getenv(VARIABLE);

    if (named) {
        return access(named, X_OK) ? NULL : g_strdup(named);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = g_build_filename(VIRGL_PREFIX, folders[i],
                                                 "virgl_render_server", NULL);

        if (!access(path, X_OK)) {
            return g_steal_pointer(&path);
        }
    }
    return NULL;
}

static void report_missing(void)
{
    const char *named = g_getenv(VARIABLE);

    error_report_limited(&failures, "virtio-gpu: venus=on needs the render "
                         "server of virglrenderer, but %s cannot be executed: "
                         "there is no Vulkan in the guest until you install it "
                         "(Debian: package virgl-server)%s",
                         named ?: VIRGL_PREFIX "/libexec/virgl_render_server",
                         named ? "" : ", or name it in " VARIABLE);
}

void virtio_gpu_render_server_check(void)
{
    g_autofree char *program = find_program();

    if (!program) {
        report_missing();
    }
}

/* Its messages */

static void report_line(ServerLog *log)
{
    g_autofree char *text = report_limit_text(log->line->str);

    if (*text) {
        warn_report_limited(&messages, "render server: %s", text);
    }
    g_string_truncate(log->line, 0);
}

static void read_log(void *opaque)
{
    ServerLog *log = opaque;
    char buf[4096];
    ssize_t n = read(log->fd, buf, sizeof(buf));

    for (ssize_t i = 0; i < n; i++) {
        if (buf[i] == '\n') {
            report_line(log);
        } else if (log->line->len < MOST_LINE) {
            g_string_append_c(log->line, buf[i]);
        }
    }
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        report_line(log);
        qemu_set_fd_handler(log->fd, NULL, NULL, NULL);
        close(log->fd);
        g_string_free(log->line, true);
        g_free(log);
    }
}

/*
 * Returns the end to write to, or -1: then the server has QEMU's stderr.
 *
 * A write to a full pipe must fail, because QEMU may be waiting for an answer
 * of the process that writes.
 */
static int open_log(void)
{
    ServerLog *log;
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK)) {
        return -1;
    }
    log = g_new0(ServerLog, 1);
    log->fd = fds[0];
    log->line = g_string_new(NULL);
    qemu_set_fd_handler(log->fd, read_log, NULL, log);
    return fds[1];
}

/* Its process */

static void forget_process(void)
{
    server.pid = 0;             /* with the lock: it may be another's soon */
    if (server.pidfd >= 0) {
        qemu_set_fd_handler(server.pidfd, NULL, NULL, NULL);
        close(server.pidfd);
        server.pidfd = -1;
    }
}

static bool is_running(void)
{
    int status = 0;
    GPid pid = server.pid;

    g_mutex_lock(&lock);
    if (pid && waitpid(pid, &status, WNOHANG)) {
        forget_process();
    }
    g_mutex_unlock(&lock);
    if (server.pid || !pid) {
        return server.pid;
    }
    error_report_limited(&failures, "virtio-gpu: the render server (PID %d) "
                         "%s %d: programs of the guest that used it may hang "
                         "or end; the next one gets a new render server",
                         (int)pid, WIFSIGNALED(status) ?
                         "was killed by signal" : "ended with status",
                         WIFSIGNALED(status) ? WTERMSIG(status) :
                                               WEXITSTATUS(status));
    return false;
}

static void process_ended(void *opaque)
{
    is_running();
}

/* Learn at once if it ends; with an old kernel, when it is needed. */
static void watch_process(void)
{
#ifdef SYS_pidfd_open
    server.pidfd = syscall(SYS_pidfd_open, server.pid, 0);
    if (server.pidfd >= 0) {
        qemu_set_fd_handler(server.pidfd, process_ended, NULL, NULL);
    }
#endif
}

/* In the child, so only what is safe between fork and exec */
static void prepare_child(void *opaque)
{
    setpgid(0, 0);              /* the terminal's signals are not for it */
    fcntl(GPOINTER_TO_INT(opaque), F_SETFD, 0);
}

static bool spawn(const char *program, int socket)
{
    g_autofree char *number = g_strdup_printf("%d", socket);
    char *argv[] = { (char *)program, (char *)"--socket-fd", number, NULL };
    int log = open_log();
    GError *err = NULL;

    if (!g_spawn_async_with_fds(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD |
                                G_SPAWN_STDOUT_TO_DEV_NULL, prepare_child,
                                GINT_TO_POINTER(socket), &server.pid, -1, -1,
                                log, &err)) {
        error_report_limited(&failures, "virtio-gpu: the render server cannot "
                             "be started: %s", err->message);
        g_error_free(err);
        server.pid = 0;
    } else {
        watch_process();
    }
    if (log >= 0) {
        close(log);
    }
    return server.pid;
}

/* The connection */

static ino_t socket_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) ? 0 : st.st_ino;
}

static void close_peer(void)
{
    if (server.peer >= 0) {
        close(server.peer);
        server.peer = -1;
    }
}

int virtio_gpu_render_server_fd(void *opaque, uint32_t version)
{
    int fds[2];

    virtio_gpu_render_server_stop();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
        error_report_limited(&failures, "virtio-gpu: no socket for the render "
                             "server: %s", strerror(errno));
        return -1;
    }
    g_mutex_lock(&lock);
    server.fd = fds[0];
    server.socket = socket_of(fds[0]);
    g_mutex_unlock(&lock);
    server.peer = fds[1];
    return server.fd;
}

/* Until a server runs, what virglrenderer sends fails instead of piling up. */
static void take_hello(void)
{
    if (server.peer >= 0) {
        server.hello_size = recv(server.peer, server.hello,
                                 sizeof(server.hello), MSG_DONTWAIT);
        close_peer();
    }
}

static bool reconnect(void)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
        return false;
    }
    if (socket_of(server.fd) != server.socket ||
        (server.hello_size > 0 &&
         send(fds[0], server.hello, server.hello_size, MSG_DONTWAIT) < 0) ||
        dup3(fds[0], server.fd, O_CLOEXEC) < 0) {
        close(fds[0]);
        close(fds[1]);
        return false;
    }
    close(fds[0]);
    g_mutex_lock(&lock);
    server.socket = socket_of(server.fd);
    g_mutex_unlock(&lock);
    server.peer = fds[1];
    return true;
}

bool virtio_gpu_render_server_start(void)
{
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    g_autofree char *program = NULL;
    bool started = false;

    if (server.fd < 0) {
        return true;            /* virglrenderer has one of its own, or none */
    }
    take_hello();
    if (is_running()) {
        return true;
    }
    if (server.started_ms && now < server.started_ms + RESTART_MS) {
        return false;
    }
    program = find_program();
    if (!program) {
        report_missing();
        return false;
    }
    server.started_ms = now;
    if (reconnect()) {
        started = spawn(program, server.peer);
        close_peer();
    } else {
        error_report_limited(&failures, "virtio-gpu: a new render server "
                             "cannot be connected: %s", strerror(errno));
    }
    return started;
}

void virtio_gpu_render_server_stop(void)
{
    server.started_ms = 0;
    server.hello_size = 0;
    close_peer();
    g_mutex_lock(&lock);
    server.fd = -1;
    if (server.pid) {
        kill(server.pid, SIGKILL);
        waitpid(server.pid, NULL, 0);
        forget_process();
    }
    g_mutex_unlock(&lock);
}

pid_t virtio_gpu_render_server_pid(void)
{
    return server.pid;
}

bool virtio_gpu_render_server_kill(void)
{
    bool killed = false;

    g_mutex_lock(&lock);
    /* Not waited for, so both numbers are still its own. */
    if (server.pid) {
        kill(-server.pid, SIGKILL);     /* prepare_child(): with its workers */
        kill(server.pid, SIGKILL);
        killed = true;
        if (server.fd >= 0 && socket_of(server.fd) == server.socket) {
            shutdown(server.fd, SHUT_RDWR);
        }
    }
    g_mutex_unlock(&lock);
    return killed;
}
