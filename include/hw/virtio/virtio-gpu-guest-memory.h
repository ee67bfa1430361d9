/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio GPU: memory of the guest behind resources
 *
 * A backing is a list of pieces of guest memory. To show a blob, the device
 * needs them as one piece. There are several ways to get that, tried in turn:
 * see virtio-gpu-guest-blob.c. On Xen the backing itself is mapped as one
 * piece: see virtio-gpu-backing.c.
 */
#ifndef HW_VIRTIO_GPU_GUEST_MEMORY_H
#define HW_VIRTIO_GPU_GUEST_MEMORY_H

typedef struct QemuConsole QemuConsole;
typedef struct VirtIOGPU VirtIOGPU;
struct virtio_gpu_framebuffer;
struct virtio_gpu_mem_entry;
struct virtio_gpu_rect;
struct virtio_gpu_simple_resource;

/*
 * One piece of memory. Counted (g_atomic_rc_box), since a display may still
 * read a picture when the guest has destroyed the resource.
 */
typedef struct VirtIOGPUGuestMemory {
    uint8_t *data;              /* where the backing begins */
    uint64_t size;              /* of what release() gives back, in bytes */
    bool copied;                /* not the guest's own pages */
    int dmabuf_fd;              /* the same pages, for others; or -1 */
    char *why;                  /* there is none, as far as tried; or NULL */
    /* As virtio_gpu_backing_dmabuf(); NULL if that is not possible */
    int (*make_dmabuf)(VirtIOGPU *g, const struct iovec *iov, uint64_t bytes,
                       bool writable, char **why);
    void (*release)(struct VirtIOGPUGuestMemory *memory);
    void *base;                 /* for release() */
} VirtIOGPUGuestMemory;

/** virtio_gpu_guest_memory_new: a first reference, without a dma-buf */
VirtIOGPUGuestMemory *
virtio_gpu_guest_memory_new(void *base, uint64_t size,
                            void (*release)(VirtIOGPUGuestMemory *memory));
VirtIOGPUGuestMemory *
virtio_gpu_guest_memory_ref(VirtIOGPUGuestMemory *memory);
void virtio_gpu_guest_memory_unref(VirtIOGPUGuestMemory *memory);

/* virtio-gpu-backing.c */

#define VIRTIO_GPU_BACKING_NOT_OURS     1

/**
 * virtio_gpu_backing_map: on Xen, check the entries of a backing and map it, as
 * one piece if that is possible
 *
 * Returns 0 with *@iov, *@niov and, unless @addr is NULL, *@addr set, as from
 * mapping each entry; %VIRTIO_GPU_BACKING_NOT_OURS if the caller has to do
 * that; or a negative errno if the guest must be refused. @entries is a copy
 * that the guest cannot change, little-endian.
 */
int virtio_gpu_backing_map(VirtIOGPU *g,
                           const struct virtio_gpu_mem_entry *entries,
                           uint32_t nr_entries, uint64_t **addr,
                           struct iovec **iov, uint32_t *niov);

/**
 * virtio_gpu_backing_restore: the same for a resource that was migrated, of
 * which @res has the addresses and the lengths
 *
 * Returns the number of pieces that are mapped, which is res->iov_cnt, or 0.
 */
uint32_t virtio_gpu_backing_restore(VirtIOGPU *g,
                                    struct virtio_gpu_simple_resource *res);

/**
 * virtio_gpu_backing_unmap: undo virtio_gpu_backing_map(), and free @iov
 *
 * Returns false if @iov is not from there.
 */
bool virtio_gpu_backing_unmap(VirtIOGPU *g, struct iovec *iov);

/**
 * virtio_gpu_backing_memory: a new reference to the one piece that @iov was
 * mapped as, or NULL if it was not
 */
VirtIOGPUGuestMemory *virtio_gpu_backing_memory(VirtIOGPU *g,
                                                const struct iovec *iov);

/**
 * virtio_gpu_backing_why: the reason that @iov is not one piece, or NULL
 */
const char *virtio_gpu_backing_why(VirtIOGPU *g, const struct iovec *iov);

/**
 * virtio_gpu_backing_dmabuf: make a dma-buf of the first @bytes of a backing
 * that is mapped as one piece
 * @writable: for displays that attach a GPU
 *
 * Returns a descriptor, which the caller closes; or -1 with *@why set to a new
 * string.
 */
int virtio_gpu_backing_dmabuf(VirtIOGPU *g, const struct iovec *iov,
                              uint64_t bytes, bool writable, char **why);

/**
 * virtio_gpu_backing_prepare: on Xen, open what makes dma-bufs, if it is there,
 * while QEMU has all its privileges
 */
void virtio_gpu_backing_prepare(void);

/* virtio-gpu-guest-dmabuf.c */

/**
 * virtio_gpu_guest_dmabuf: a dma-buf of a blob of guest memory, for a display
 *
 * Makes it unless there is one or it has been tried. Sets res->dmabuf_fd, which
 * belongs to the memory, or the reason in res->guest_memory->why.
 */
void virtio_gpu_guest_dmabuf(VirtIOGPU *g,
                             struct virtio_gpu_simple_resource *res,
                             QemuConsole *con);

/* virtio-gpu-guest-blob.c */

/** virtio_gpu_guest_blob_available: can blobs of guest memory be shown? */
bool virtio_gpu_guest_blob_available(void);

/**
 * virtio_gpu_guest_blob_init: make one piece of the backing of a blob
 *
 * Does nothing for what is not a blob, has no backing, or has been here.
 * Returns false, with a line in the log, if there is no way to do so.
 */
bool virtio_gpu_guest_blob_init(VirtIOGPU *g,
                                struct virtio_gpu_simple_resource *res);

/**
 * virtio_gpu_guest_blob_fini: undo this, before the backing is unmapped
 *
 * Scanouts that show the blob are disabled.
 */
void virtio_gpu_guest_blob_fini(VirtIOGPU *g,
                                struct virtio_gpu_simple_resource *res);

/**
 * virtio_gpu_guest_blob_cursor: prepare a resource to be read as a cursor
 *
 * Returns false if there is nothing to be read.
 */
bool virtio_gpu_guest_blob_cursor(VirtIOGPU *g,
                                  struct virtio_gpu_simple_resource *res);

/**
 * virtio_gpu_guest_blob_flush: bring up to date what the scanouts show in @r
 *
 * Returns true if they may show the dma-buf itself, false if they show a
 * surface, or if the resource is not a blob.
 */
bool virtio_gpu_guest_blob_flush(VirtIOGPU *g,
                                 struct virtio_gpu_simple_resource *res,
                                 const struct virtio_gpu_rect *r);

/**
 * virtio_gpu_guest_blob_scanout: show a blob that has res->guest_memory
 *
 * By its dma-buf, where the display takes one. Returns false, and sets *@error,
 * if @fb is not within the blob.
 */
bool virtio_gpu_guest_blob_scanout(VirtIOGPU *g, uint32_t scanout_id,
                                   struct virtio_gpu_simple_resource *res,
                                   struct virtio_gpu_framebuffer *fb,
                                   struct virtio_gpu_rect *r, uint32_t *error);

#endif
