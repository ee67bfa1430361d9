/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Map and unmap commands in any order, with a hostmem driver that may do
 * anything, and a main loop that may be late
 *
 * The control queue is simulated as changed by patches/qemu. The fake guest
 * checks the invariants; it considers a blob to be in use if the responses to
 * the commands so far allow the guest to use it.
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-gpu-xen.h"
#include <virglrenderer.h>
#include "hw/display/virtio-gpu-xen-blob.h"
#include "hostmem-session.h"

#define SESSIONS    400
#define STEPS       400

typedef struct Command {
    struct virtio_gpu_ctrl_command cmd;     /* first, as freed by its address */
    uint32_t blob;
    uint64_t first;                         /* first page in the window */
    unsigned serial;
} Command;

static struct {
    Session s;
    VirtIOGPUGL gl;
    bool woken;                             /* ctrl_bh is scheduled */
    void *memory[FAKE_BLOBS + 1];           /* mapped by the renderer */
    unsigned sent, answered;
    unsigned last[FAKE_BLOBS + 1];          /* serial of the last answer */
    unsigned ended[FAKE_BLOBS + 1];         /* serial of the last unmap */
} gpu;

static unsigned pick(unsigned n)
{
    return gpu.s.pick(gpu.s.source, n);
}

static FakeBlob *fake_blob(uint32_t blob)
{
    return &gpu.s.f->blobs[blob];
}

/* The backend */

int xen_hostmem_map(XenHostmem *h, uint32_t blob, uint64_t offset,
                    const XenHostmemBuffer *buf)
{
    uint64_t buffer = buf->dmabuf >= 0 ? fake_identify(buf->dmabuf) : 0;
    int rc = xen_hostmem_window_map(gpu.s.f->w, blob, offset, buf);

    if (rc == 0 || rc == -EINPROGRESS) {
        *fake_blob(blob) = (FakeBlob) {
            .use = FAKE_MAP_PENDING,
            .first = offset / XEN_HOSTMEM_PAGE_SIZE,
            .pages = buf->size / XEN_HOSTMEM_PAGE_SIZE,
            .buffer = buffer,
            .host = buf->host,
        };
    }
    return rc;
}

int xen_hostmem_unmap(XenHostmem *h, uint32_t blob)
{
    return xen_hostmem_window_unmap(gpu.s.f->w, blob);
}

void xen_hostmem_reset(XenHostmem *h)
{
    xen_hostmem_window_reset(gpu.s.f->w);
}

/* The renderer */

static struct virtio_gpu_simple_resource *find(uint32_t blob)
{
    struct virtio_gpu_simple_resource *res;

    QTAILQ_FOREACH(res, &gpu.gl.parent_obj.reslist, next) {
        if (res->resource_id == blob) {
            return res;
        }
    }
    return NULL;
}

int virgl_renderer_resource_map(uint32_t blob, void **map, uint64_t *size)
{
    if (gpu.memory[blob] || !pick(30)) {
        return -EINVAL;
    }
    *size = find(blob)->blob_size;
    *map = gpu.memory[blob] = g_malloc0(*size);
    return 0;
}

int virgl_renderer_resource_unmap(uint32_t blob)
{
    if (!gpu.memory[blob]) {
        return -EINVAL;
    }
    g_clear_pointer(&gpu.memory[blob], g_free);
    return 0;
}

int virgl_renderer_resource_get_map_info(uint32_t blob, uint32_t *info)
{
    *info = 1;
    return 0;
}

void virgl_renderer_force_ctx_0(void)
{
}

void virtio_gpu_xen_export(void *opaque, uint32_t blob, XenHostmemBuffer *buf)
{
    g_assert_nonnull(find(blob));
    buf->dmabuf = -1;
    buf->shared_memory = pick(2);
    if (pick(6)) {
        buf->dmabuf = fake_dmabuf();
        fake_blob(blob)->buffer = fake_identify(buf->dmabuf);
    } else {
        buf->reason = pick(2) ? XEN_HOSTMEM_REASON_NO_DESCRIPTORS :
                      XEN_HOSTMEM_REASON_NOT_EXPORTABLE;
    }
}

/* QEMU's control queue */

void virtio_gpu_ctrl_response(VirtIOGPU *g, struct virtio_gpu_ctrl_command *cmd,
                              struct virtio_gpu_ctrl_hdr *resp, size_t len)
{
    Command *c = (Command *)cmd;

    g_assert_false(cmd->finished);
    cmd->finished = true;
    gpu.answered++;
    if (cmd->cmd_hdr.type != VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB) {
        /* Those for one resource are answered in order. */
        g_assert_cmpuint(c->serial, >, gpu.last[c->blob]);
        gpu.last[c->blob] = c->serial;
    }
    if (resp->type == VIRTIO_GPU_RESP_OK_NODATA &&
        cmd->cmd_hdr.type != VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB) {
        /* The guest may map another blob in the range (I7). */
        g_assert_cmpint(xen_hostmem_window_status(gpu.s.f->w, c->blob), ==,
                        -ENOENT);
    }
    if (resp->type != VIRTIO_GPU_RESP_OK_MAP_INFO) {
        return;
    }
    g_assert_cmpuint(fake_blob(c->blob)->first, ==, c->first);
    if (c->serial > gpu.ended[c->blob]) {
        fake_blob(c->blob)->use = FAKE_IN_USE;
    }
}

void virtio_gpu_ctrl_response_nodata(VirtIOGPU *g,
                                     struct virtio_gpu_ctrl_command *cmd,
                                     enum virtio_gpu_ctrl_type type)
{
    struct virtio_gpu_ctrl_hdr resp = { .type = type };

    virtio_gpu_ctrl_response(g, cmd, &resp, sizeof(resp));
}

static void create(Command *c)
{
    struct virtio_gpu_simple_resource *res;

    if (find(c->blob)) {
        c->cmd.error = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
        return;
    }
    res = g_new0(struct virtio_gpu_simple_resource, 1);
    res->resource_id = c->blob;
    res->blob_size = (1 + pick(12)) * XEN_HOSTMEM_PAGE_SIZE;
    QTAILQ_INSERT_HEAD(&gpu.gl.parent_obj.reslist, res, next);
}

static void forget(struct virtio_gpu_simple_resource *res)
{
    g_assert_null(gpu.memory[res->resource_id]);
    QTAILQ_REMOVE(&gpu.gl.parent_obj.reslist, res, next);
    g_free(res);
}

/* virtio_gpu_virgl_process_cmd() */
static void process(Command *c)
{
    struct virtio_gpu_simple_resource *res = find(c->blob);
    VirtIOGPU *g = &gpu.gl.parent_obj;
    VirtIOGPUXenResult result = VIRTIO_GPU_XEN_NOT_OURS;

    c->cmd.error = 0;
    if (c->cmd.cmd_hdr.type == VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB) {
        create(c);
    } else if (!res) {
        c->cmd.error = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    } else if (c->cmd.cmd_hdr.type == VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB) {
        result = virtio_gpu_xen_map_blob(g, &c->cmd, res, c->first *
                                         XEN_HOSTMEM_PAGE_SIZE);
        g_assert_cmpint(result, !=, VIRTIO_GPU_XEN_NOT_OURS);
    } else {
        result = virtio_gpu_xen_unmap_blob(g, &c->cmd, res);
        g_assert_cmpint(result, !=, VIRTIO_GPU_XEN_HANDLED);
        if (result == VIRTIO_GPU_XEN_NOT_OURS &&
            c->cmd.cmd_hdr.type == VIRTIO_GPU_CMD_RESOURCE_UNREF) {
            forget(res);
        }
    }
    g_assert_true((result == VIRTIO_GPU_XEN_DEFERRED) ==
                  (c->cmd.deferred_for == c->blob));
    if (!c->cmd.deferred_for && !c->cmd.finished) {
        virtio_gpu_ctrl_response_nodata(g, &c->cmd, c->cmd.error ?:
                                        VIRTIO_GPU_RESP_OK_NODATA);
    }
}

static void virtio_gpu_process_cmdq(VirtIOGPU *g)
{
    struct virtio_gpu_ctrl_command *cmd;

    g_assert_false(g->processing_cmdq);
    g->processing_cmdq = true;
    while ((cmd = QTAILQ_FIRST(&g->cmdq))) {
        cmd->deferred_for = 0;
        process((Command *)cmd);

        QTAILQ_REMOVE(&g->cmdq, cmd, next);
        if (cmd->deferred_for) {
            QTAILQ_INSERT_TAIL(&g->deferredq, cmd, next);
        } else {
            g_free(cmd);
        }
    }
    g->processing_cmdq = false;
}

void qemu_bh_schedule(QEMUBH *bh)
{
    gpu.woken = true;
}

/* One iteration of the main loop */
static void run_ctrl_bh(void)
{
    if (gpu.woken) {
        gpu.woken = false;
        virtio_gpu_process_cmdq(&gpu.gl.parent_obj);
    }
}

/* The guest */

static void send(uint32_t type, uint32_t blob, uint64_t first)
{
    Command *c = g_new0(Command, 1);

    c->cmd.cmd_hdr.type = type;
    c->blob = blob;
    c->first = first;
    c->serial = ++gpu.sent;
    if (type == VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB ||
        type == VIRTIO_GPU_CMD_RESOURCE_UNREF) {
        gpu.ended[blob] = c->serial;
        fake_blob(blob)->use = FAKE_UNUSED;
    }
    QTAILQ_INSERT_TAIL(&gpu.gl.parent_obj.cmdq, &c->cmd, next);
}

static void send_one(void)
{
    static const uint32_t types[] = {
        VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB,
        VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB,
        VIRTIO_GPU_CMD_RESOURCE_UNREF,
    };
    uint32_t type = types[pick(G_N_ELEMENTS(types))];
    uint32_t blob = 1 + pick(FAKE_BLOBS);

    send(type, blob, pick(FAKE_PAGES + 2));
}

/* virtio_gpu_gl_reset() */
static void reset(void)
{
    struct virtio_gpu_ctrl_command *cmd;

    virtio_gpu_xen_reset(&gpu.gl.parent_obj);
    while ((cmd = QTAILQ_FIRST(&gpu.gl.parent_obj.cmdq))) {
        QTAILQ_REMOVE(&gpu.gl.parent_obj.cmdq, cmd, next);
        g_free(cmd);
        gpu.answered++;
    }
    while ((cmd = QTAILQ_FIRST(&gpu.gl.parent_obj.deferredq))) {
        QTAILQ_REMOVE(&gpu.gl.parent_obj.deferredq, cmd, next);
        g_free(cmd);
        gpu.answered++;
    }
    while (!QTAILQ_EMPTY(&gpu.gl.parent_obj.reslist)) {
        forget(QTAILQ_FIRST(&gpu.gl.parent_obj.reslist));
    }
    for (unsigned blob = 1; blob <= FAKE_BLOBS; blob++) {
        fake_blob(blob)->use = FAKE_UNUSED;
    }
}

/* Trapped accesses reach memory that is mapped. */
static void touch(void)
{
    for (uint64_t page = 0; page < FAKE_PAGES; page++) {
        uint64_t len = XEN_HOSTMEM_PAGE_SIZE;
        uint8_t *host = xen_hostmem_window_host(
            gpu.s.f->w, page * XEN_HOSTMEM_PAGE_SIZE, &len);

        if (host) {
            memset(host, page, len);
        }
    }
}

static void step(void)
{
    switch (pick(20)) {
    case 0 ... 7:
        for (unsigned n = 1 + pick(3); n; n--) {
            send_one();
        }
        virtio_gpu_process_cmdq(&gpu.gl.parent_obj);
        break;
    case 8:
        if (!pick(6)) {
            reset();
        }
        break;
    default:
        session_step_others(&gpu.s);
        break;
    }
    if (pick(4)) {
        run_ctrl_bh();
    }
    touch();
    fake_check(gpu.s.f);
}

/* Each command is finally answered, once (I3); nothing leaks (I8). */
static void finish(void)
{
    do {
        run_ctrl_bh();
        session_recover(&gpu.s);
    } while (gpu.woken);
    g_assert_cmpuint(gpu.answered, ==, gpu.sent);
    for (unsigned blob = 1; blob <= FAKE_BLOBS; blob++) {
        bool mapped = !xen_hostmem_window_status(gpu.s.f->w, blob);

        g_assert_true(mapped == !!gpu.memory[blob]);
    }
    reset();
    for (unsigned blob = 1; blob <= FAKE_BLOBS; blob++) {
        fake_blob(blob)->host = NULL;
    }
    g_assert_true(QTAILQ_EMPTY(&gpu.gl.parent_obj.deferredq));
    session_recover(&gpu.s);
    fake_guest_free(gpu.s.f);
}

static unsigned pick_random(void *source, unsigned n)
{
    return g_rand_int_range(source, 0, n);
}

static void start(SessionPick *pick_fn, void *source)
{
    memset(&gpu, 0, sizeof(gpu));
    session_start(&gpu.s, pick_fn, source);
    gpu.s.f->on_settled = virtio_gpu_xen_settled;
    gpu.s.f->on_export = virtio_gpu_xen_export;
    gpu.s.f->user = &gpu.gl.parent_obj;
    gpu.gl.xen_hostmem = (XenHostmem *)&gpu;    /* not dereferenced */
    QTAILQ_INIT(&gpu.gl.parent_obj.cmdq);
    QTAILQ_INIT(&gpu.gl.parent_obj.deferredq);
    QTAILQ_INIT(&gpu.gl.parent_obj.reslist);
}

static void test_random(void)
{
    const char *more = g_getenv("SESSIONS");
    uint32_t sessions = more ? g_ascii_strtoull(more, NULL, 0) : SESSIONS;

    for (uint32_t seed = 1; seed <= sessions; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

        g_test_message("seed %u", seed);
        start(pick_random, rand);
        for (int i = 0; i < STEPS; i++) {
            step();
        }
        finish();
    }
}

/* Grants and traps, a quota of two pages, and blobs of two pages. */
static unsigned pick_one(void *source, unsigned n)
{
    return n > 1;
}

static unsigned nr_deferred(void)
{
    struct virtio_gpu_ctrl_command *cmd;
    unsigned n = 0;

    QTAILQ_FOREACH(cmd, &gpu.gl.parent_obj.deferredq, next) {
        n++;
    }
    return n;
}

/*
 * What comes for a resource while one of its commands is deferred waits behind
 * it; commands for others do not (I3).
 */
static void test_order(void)
{
    start(pick_one, NULL);
    fake_arrive(gpu.s.f);
    send(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 1, 0);
    send(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, 1, 0);
    send(VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 1, 0);
    send(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, 1, 8);
    send(VIRTIO_GPU_CMD_RESOURCE_UNREF, 1, 0);
    send(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 2, 0);
    virtio_gpu_process_cmdq(&gpu.gl.parent_obj);
    g_assert_cmpuint(nr_deferred(), ==, 4);
    g_assert_cmpuint(gpu.answered, ==, 2);

    fake_answer_all(gpu.s.f);
    g_assert_cmpuint(gpu.answered, ==, 3);      /* the first MAP */
    g_assert_cmpuint(nr_deferred(), ==, 0);     /* the others go on */
    run_ctrl_bh();
    g_assert_cmpuint(nr_deferred(), ==, 3);     /* UNMAP waits for the guest */
    finish();
    g_assert_null(find(1));
}

/* A reset drops them all, and what they waited for ends without them. */
static void test_reset(void)
{
    start(pick_one, NULL);
    fake_arrive(gpu.s.f);
    send(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 1, 0);
    send(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, 1, 0);
    send(VIRTIO_GPU_CMD_RESOURCE_UNREF, 1, 0);
    virtio_gpu_process_cmdq(&gpu.gl.parent_obj);
    g_assert_cmpuint(nr_deferred(), ==, 2);
    reset();
    g_assert_cmpuint(nr_deferred(), ==, 0);
    fake_answer_all(gpu.s.f);
    g_assert_false(gpu.woken);
    finish();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gpu/random", test_random);
    g_test_add_func("/gpu/order", test_order);
    g_test_add_func("/gpu/reset", test_reset);
    return g_test_run();
}
