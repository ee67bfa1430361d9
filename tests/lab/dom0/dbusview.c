/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dbusview SOCKET: a display client of QEMU's that maps what it is given
 *
 * SOCKET is a descriptor, whose other end QEMU has as a D-Bus client. The
 * first console's picture is taken by ScanoutMap or ScanoutDMABUF, and only
 * mapped: what this program reads is what is behind QEMU's descriptor. On a
 * line of standard input, which is the name of a file, it writes the picture
 * there as it is in the mapping now, and prints what it has been given.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

#define LISTENER    "org.qemu.Display1.Listener"
#define MAP         LISTENER ".Unix.Map"
#define WAIT_MS     30000

static const char description[] =
    "<node><interface name='" LISTENER "'>"
    "<method name='Scanout'><arg type='u' direction='in'/>"
    "<arg type='u' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='u' direction='in'/><arg type='ay' direction='in'/></method>"
    "<method name='Update'><arg type='i' direction='in'/>"
    "<arg type='i' direction='in'/><arg type='i' direction='in'/>"
    "<arg type='i' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='u' direction='in'/><arg type='ay' direction='in'/></method>"
    "<method name='ScanoutDMABUF'><arg type='h' direction='in'/>"
    "<arg type='u' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='u' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='t' direction='in'/><arg type='b' direction='in'/></method>"
    "<method name='UpdateDMABUF'><arg type='i' direction='in'/>"
    "<arg type='i' direction='in'/><arg type='i' direction='in'/>"
    "<arg type='i' direction='in'/></method>"
    "<method name='Disable'/>"
    "<method name='MouseSet'><arg type='i' direction='in'/>"
    "<arg type='i' direction='in'/><arg type='i' direction='in'/></method>"
    "<method name='CursorDefine'><arg type='i' direction='in'/>"
    "<arg type='i' direction='in'/><arg type='i' direction='in'/>"
    "<arg type='i' direction='in'/><arg type='ay' direction='in'/></method>"
    "<property name='Interfaces' type='as' access='read'/>"
    "</interface><interface name='" MAP "'>"
    "<method name='ScanoutMap'><arg type='h' direction='in'/>"
    "<arg type='u' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='u' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='u' direction='in'/></method>"
    "<method name='UpdateMap'><arg type='i' direction='in'/>"
    "<arg type='i' direction='in'/><arg type='i' direction='in'/>"
    "<arg type='i' direction='in'/></method>"
    "</interface></node>";

static struct {
    guint32 width, height, stride, offset;
    guint8 *at;                 /* of the whole mapping; NULL: none */
    size_t bytes;
    char exporter[64];          /* of the dma-buf; empty if it is none */
    unsigned mapped, dmabufs, updates;
    unsigned copied;            /* pictures that came by the socket */
    GMainLoop *loop;
} t;

static void G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN die(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    printf("{\"error\": \"");
    vprintf(fmt, ap);
    printf("\"}\n");
    va_end(ap);
    exit(1);
}

static void forget(void)
{
    if (t.at) {
        munmap(t.at, t.bytes);
    }
    t.at = NULL;
    t.exporter[0] = '\0';
}

/* The kernel's own line about a dma-buf */
static void find_exporter(int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fdinfo/%d", fd);
    char line[256];
    FILE *f = fopen(path, "r");

    while (f && fgets(line, sizeof(line), f)) {
        sscanf(line, "exp_name: %63s", t.exporter);
    }
    if (f) {
        fclose(f);
    }
}

static void map(GDBusMethodInvocation *invocation)
{
    GDBusMessage *message = g_dbus_method_invocation_get_message(invocation);
    GUnixFDList *fds = g_dbus_message_get_unix_fd_list(message);
    int fd = fds ? g_unix_fd_list_get(fds, 0, NULL) : -1;

    if (fd < 0) {
        die("a scanout without a descriptor");
    }
    forget();
    find_exporter(fd);
    t.bytes = t.offset + (size_t)t.stride * t.height;
    t.at = mmap(NULL, t.bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (t.at == MAP_FAILED) {
        die("mmap of %zu bytes of %s: %s", t.bytes, t.exporter,
            strerror(errno));
    }
    close(fd);
}

static void call(GDBusConnection *conn, const char *sender, const char *path,
                 const char *interface, const char *method, GVariant *args,
                 GDBusMethodInvocation *invocation, void *opaque)
{
    guint32 ignored;
    guint64 modifier;
    gboolean top;

    if (!strcmp(method, "ScanoutMap")) {
        g_variant_get(args, "(huuuuu)", NULL, &t.offset, &t.width, &t.height,
                      &t.stride, &ignored);
        map(invocation);
        t.mapped++;
    } else if (!strcmp(method, "ScanoutDMABUF")) {
        g_variant_get(args, "(huuuutb)", NULL, &t.width, &t.height, &t.stride,
                      &ignored, &modifier, &top);
        t.offset = 0;
        map(invocation);
        t.dmabufs++;
    } else if (!strcmp(method, "Disable")) {
        forget();
    } else if (!strcmp(method, "Scanout") || !strcmp(method, "Update")) {
        if (!strcmp(method, "Scanout")) {
            forget();
        }
        t.copied++;
    } else if (g_str_has_prefix(method, "Update")) {
        t.updates++;
    }
    g_dbus_method_invocation_return_value(invocation, NULL);
}

static GVariant *get(GDBusConnection *conn, const char *sender,
                     const char *path, const char *interface,
                     const char *property, GError **error, void *opaque)
{
    static const char *const interfaces[] = { MAP, NULL };

    return g_variant_new_strv(interfaces, -1);
}

static void report(const char *path)
{
    bool written = false;
    FILE *f = t.at ? fopen(path, "w") : NULL;

    if (f) {
        for (guint32 y = 0; y < t.height; y++) {
            fwrite(t.at + t.offset + (size_t)y * t.stride, 4, t.width, f);
        }
        written = !ferror(f) && !fclose(f);
    }
    printf("{\"written\": %s, \"width\": %u, \"height\": %u, \"exporter\": "
           "\"%s\", \"maps\": %u, \"dmabufs\": %u, \"updates\": %u, "
           "\"copied\": %u}\n", written ? "true" : "false", t.width, t.height,
           t.exporter, t.mapped, t.dmabufs, t.updates, t.copied);
    fflush(stdout);
}

static gboolean asked(GIOChannel *channel, GIOCondition condition, void *opaque)
{
    g_autofree char *line = NULL;

    if (g_io_channel_read_line(channel, &line, NULL, NULL, NULL) !=
        G_IO_STATUS_NORMAL) {
        g_main_loop_quit(t.loop);
        return G_SOURCE_REMOVE;
    }
    report(g_strstrip(line));
    return G_SOURCE_CONTINUE;
}

static GDBusConnection *connect_to(int fd, GDBusConnectionFlags flags)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocket) s = g_socket_new_from_fd(fd, &error);
    g_autoptr(GSocketConnection) stream = NULL;
    GDBusConnection *conn;

    flags |= G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT;
    if (!s) {
        die("no socket: %s", error->message);
    }
    stream = g_socket_connection_factory_create_connection(s);
    conn = g_dbus_connection_new_sync(G_IO_STREAM(stream), NULL,
                                      flags, NULL, NULL, &error);
    if (!conn) {
        die("no D-Bus connection: %s", error->message);
    }
    return conn;
}

static void listen_to(GDBusConnection *qemu)
{
    static const GDBusInterfaceVTable table = { call, get, NULL, { NULL } };
    g_autoptr(GError) error = NULL;
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    GDBusNodeInfo *node = g_dbus_node_info_new_for_xml(description, &error);
    GDBusConnection *conn;
    GVariant *answer;
    int ends[2];

    if (!node || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
        die("no listener: %s", error ? error->message : strerror(errno));
    }
    g_unix_fd_list_append(fds, ends[1], NULL);
    close(ends[1]);
    answer = g_dbus_connection_call_with_unix_fd_list_sync(
        qemu, NULL, "/org/qemu/Display1/Console_0", "org.qemu.Display1.Console",
        "RegisterListener", g_variant_new("(h)", 0), NULL,
        G_DBUS_CALL_FLAGS_NONE, WAIT_MS, fds, NULL, NULL, &error);
    if (!answer) {
        die("RegisterListener: %s", error->message);
    }
    g_variant_unref(answer);
    conn = connect_to(ends[0],
                      G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING);
    for (GDBusInterfaceInfo **i = node->interfaces; *i; i++) {
        if (!g_dbus_connection_register_object(conn,
                                               "/org/qemu/Display1/Listener",
                                               *i, &table, NULL, NULL,
                                               &error)) {
            die("register: %s", error->message);
        }
    }
    g_dbus_connection_start_message_processing(conn);
}

int main(int argc, char **argv)
{
    g_autoptr(GIOChannel) in = g_io_channel_unix_new(STDIN_FILENO);

    if (argc != 2) {
        die("usage: dbusview SOCKET");
    }
    t.loop = g_main_loop_new(NULL, FALSE);
    g_io_add_watch(in, G_IO_IN | G_IO_HUP, asked, NULL);
    listen_to(connect_to(atoi(argv[1]), G_DBUS_CONNECTION_FLAGS_NONE));
    printf("{\"listening\": true}\n");
    fflush(stdout);
    g_main_loop_run(t.loop);
    return 0;
}
