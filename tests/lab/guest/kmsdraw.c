// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kmsdraw [WIDTH]: draw into a dumb buffer that the first screen shows, in a
 * mode of that width, else in the first one.
 *
 * Reads lines and answers each with one of JSON:
 *   draw SEED         draw a picture and have it shown
 *   silent SEED       draw a picture without telling the device
 *   dirty             tell the device
 *   frames N          draw a line N times, each time having all of the picture
 *                     shown; how long that took, until the device has done it
 *   flips N           the same with two buffers, in turn
 *   pictures N        as frames, but all of the picture is drawn
 *   mode WIDTH        show a new buffer of another mode
 *   cursor SEED       show a cursor
 *   quit
 *
 * The answer to draw, silent and mode has the checksum of the picture, as
 * zlib's crc32() has it of all lines, with the unused octet of a pixel 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/drm_mode.h>

#include "die.h"

#define MOST            64
#define CURSOR          64      /* pixels each way */
#define MOST_FRAMES     10000

struct buffer {
    struct drm_mode_create_dumb dumb;
    uint32_t fb;
    uint32_t *pixels;
};

static struct {
    int fd;
    uint32_t connector, crtc;
    struct drm_mode_modeinfo modes[MOST], mode;
    unsigned int nr_modes;
    struct buffer shown, other, cursor;
} kms;

static void drm(unsigned long request, void *arg, const char *what)
{
    int rc;

    do {
        rc = ioctl(kms.fd, request, arg);
    } while (rc && errno == EINTR);
    if (rc) {
        die("%s: %s", what, strerror(errno));
    }
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* The first connector, the first CRTC and the modes */
static void find_screen(void)
{
    uint32_t crtcs[MOST], connectors[MOST];
    struct drm_mode_card_res res = {
        .crtc_id_ptr = (uintptr_t)crtcs,
        .connector_id_ptr = (uintptr_t)connectors,
        .count_crtcs = MOST,
        .count_connectors = MOST,
    };
    struct drm_mode_get_connector get = { 0 };

    drm(DRM_IOCTL_MODE_GETRESOURCES, &res, "GETRESOURCES");
    if (!res.count_connectors || !res.count_crtcs) {
        die("there is no screen");
    }
    kms.connector = connectors[0];
    kms.crtc = crtcs[0];
    get.connector_id = kms.connector;
    drm(DRM_IOCTL_MODE_GETCONNECTOR, &get, "GETCONNECTOR");
    /* Only the modes, the second time */
    get = (struct drm_mode_get_connector) {
        .connector_id = kms.connector,
        .modes_ptr = (uintptr_t)kms.modes,
        .count_modes = get.count_modes < MOST ? get.count_modes : 0,
    };
    drm(DRM_IOCTL_MODE_GETCONNECTOR, &get, "GETCONNECTOR");
    kms.nr_modes = get.count_modes < MOST ? get.count_modes : 0;
    if (!kms.nr_modes) {
        die("the screen has no modes");
    }
}

static void choose_mode(unsigned int width)
{
    kms.mode = kms.modes[0];
    for (unsigned int n = 0; n < kms.nr_modes; n++) {
        if (kms.modes[n].hdisplay == width) {
            kms.mode = kms.modes[n];
            return;
        }
    }
    if (width) {
        die("the screen has no mode of width %u", width);
    }
}

static struct buffer new_buffer(unsigned int width, unsigned int height)
{
    struct buffer b = {
        .dumb = { .width = width, .height = height, .bpp = 32 },
    };
    struct drm_mode_map_dumb map = { 0 };

    drm(DRM_IOCTL_MODE_CREATE_DUMB, &b.dumb, "CREATE_DUMB");
    map.handle = b.dumb.handle;
    drm(DRM_IOCTL_MODE_MAP_DUMB, &map, "MAP_DUMB");
    b.pixels = mmap(NULL, b.dumb.size, PROT_READ | PROT_WRITE, MAP_SHARED,
                    kms.fd, map.offset);
    if (b.pixels == MAP_FAILED) {
        die("mapping a buffer: %s", strerror(errno));
    }
    return b;
}

static void add_fb(struct buffer *b)
{
    struct drm_mode_fb_cmd add = {
        .width = b->dumb.width,
        .height = b->dumb.height,
        .pitch = b->dumb.pitch,
        .bpp = 32,
        .depth = 24,
        .handle = b->dumb.handle,
    };

    drm(DRM_IOCTL_MODE_ADDFB, &add, "ADDFB");
    b->fb = add.fb_id;
}

static void free_buffer(struct buffer *b)
{
    struct drm_mode_destroy_dumb destroy = { .handle = b->dumb.handle };

    if (!b->pixels) {
        return;
    }
    if (b->fb) {
        drm(DRM_IOCTL_MODE_RMFB, &b->fb, "RMFB");
    }
    munmap(b->pixels, b->dumb.size);
    drm(DRM_IOCTL_MODE_DESTROY_DUMB, &destroy, "DESTROY_DUMB");
    memset(b, 0, sizeof(*b));
}

/* Noise, so that no pixel is like another that it could be mistaken for */
static void draw(struct buffer *b, uint32_t seed)
{
    uint32_t state = seed * 2654435761u | 1;

    for (unsigned int y = 0; y < b->dumb.height; y++) {
        uint32_t *line = b->pixels + (size_t)y * (b->dumb.pitch / 4);

        for (unsigned int x = 0; x < b->dumb.width; x++) {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            line[x] = state & 0xffffff;
        }
    }
}

static uint32_t checksum(const struct buffer *b)
{
    static uint32_t table[256];
    uint32_t crc = UINT32_MAX;

    for (uint32_t n = 0; n < 256; n++) {
        table[n] = n;
        for (int bit = 0; bit < 8; bit++) {
            table[n] = table[n] >> 1 ^ (table[n] & 1 ? 0xedb88320 : 0);
        }
    }
    for (unsigned int y = 0; y < b->dumb.height; y++) {
        const uint8_t *line = (void *)(b->pixels + (size_t)y *
                                       (b->dumb.pitch / 4));

        for (unsigned int n = 0; n < b->dumb.width * 4; n++) {
            crc = crc >> 8 ^ table[(crc ^ line[n]) & 0xff];
        }
    }
    return ~crc;
}

static void show(const struct buffer *b)
{
    struct drm_mode_crtc set = {
        .crtc_id = kms.crtc,
        .fb_id = b->fb,
        .set_connectors_ptr = (uintptr_t)&kms.connector,
        .count_connectors = 1,
        .mode = kms.mode,
        .mode_valid = 1,
    };

    drm(DRM_IOCTL_MODE_SETCRTC, &set, "SETCRTC");
}

static void dirty(const struct buffer *b)
{
    struct drm_mode_fb_dirty_cmd cmd = { .fb_id = b->fb };

    drm(DRM_IOCTL_MODE_DIRTYFB, &cmd, "DIRTYFB");
}

static void flip(const struct buffer *b)
{
    struct drm_mode_crtc_page_flip cmd = {
        .crtc_id = kms.crtc,
        .fb_id = b->fb,
        .flags = DRM_MODE_PAGE_FLIP_EVENT,
    };
    char event[1024];

    drm(DRM_IOCTL_MODE_PAGE_FLIP, &cmd, "PAGE_FLIP");
    if (read(kms.fd, event, sizeof(event)) < 0) {
        die("waiting for a flip: %s", strerror(errno));
    }
}

static void describe(void)
{
    printf("{\"width\": %u, \"height\": %u, \"bytes\": %llu, \"crc\": %u}\n",
           kms.shown.dumb.width, kms.shown.dumb.height,
           (unsigned long long)kms.shown.dumb.size, checksum(&kms.shown));
}

static void set_mode(unsigned int width)
{
    struct buffer old = kms.shown;

    choose_mode(width);
    kms.shown = new_buffer(kms.mode.hdisplay, kms.mode.vdisplay);
    add_fb(&kms.shown);
    draw(&kms.shown, width);
    show(&kms.shown);
    dirty(&kms.shown);
    free_buffer(&old);
    describe();
}

enum way { FRAMES, FLIPS, PICTURES };

/* But for pictures only a part is drawn, so that what the device does counts. */
static void touch(struct buffer *b, unsigned int n, enum way way)
{
    memset(b->pixels, n, way == PICTURES ? b->dumb.size : b->dumb.pitch);
}

static void show_cursor(const struct buffer *b)
{
    struct drm_mode_cursor set = {
        .flags = DRM_MODE_CURSOR_BO,
        .crtc_id = kms.crtc,
        .width = CURSOR,
        .height = CURSOR,
        .handle = b->dumb.handle,
    };

    drm(DRM_IOCTL_MODE_CURSOR, &set, "CURSOR");
}

/*
 * Wait until the device has done all that was asked of it. Linux waits neither
 * for a frame without blobs nor for the end of its queue; but it does for the
 * picture of a cursor, which takes its turn in that queue.
 */
static void finish(void)
{
    if (!kms.cursor.pixels) {
        kms.cursor = new_buffer(CURSOR, CURSOR);
    }
    show_cursor(&kms.cursor);
}

static void run_frames(unsigned int count, enum way way)
{
    double start;

    if (way == FLIPS) {
        kms.other = new_buffer(kms.mode.hdisplay, kms.mode.vdisplay);
        add_fb(&kms.other);
    }
    finish();
    start = now_ms();
    for (unsigned int n = 0; n < count; n++) {
        if (way == FLIPS) {
            struct buffer b = kms.shown;

            touch(&kms.other, n, way);
            flip(&kms.other);
            kms.shown = kms.other;
            kms.other = b;
        } else {
            touch(&kms.shown, n, way);
            dirty(&kms.shown);
        }
    }
    finish();
    printf("{\"frames\": %u, \"ms\": %.1f}\n", count, now_ms() - start);
    free_buffer(&kms.other);
}

static void set_cursor(uint32_t seed)
{
    struct buffer b = new_buffer(CURSOR, CURSOR);

    draw(&b, seed);
    show_cursor(&b);
    free_buffer(&kms.cursor);
    kms.cursor = b;
    printf("{\"cursor\": %u}\n", seed);
}

static void obey(const char *line)
{
    char word[16] = "";
    unsigned int n = 0;

    sscanf(line, "%15s %u", word, &n);
    if (!strcmp(word, "draw") || !strcmp(word, "silent")) {
        draw(&kms.shown, n);
        if (*word == 'd') {
            dirty(&kms.shown);
        }
        describe();
    } else if (!strcmp(word, "dirty")) {
        dirty(&kms.shown);
        printf("{}\n");
    } else if (!strcmp(word, "frames") && n && n <= MOST_FRAMES) {
        run_frames(n, FRAMES);
    } else if (!strcmp(word, "flips") && n && n <= MOST_FRAMES) {
        run_frames(n, FLIPS);
    } else if (!strcmp(word, "pictures") && n && n <= MOST_FRAMES) {
        run_frames(n, PICTURES);
    } else if (!strcmp(word, "mode")) {
        set_mode(n);
    } else if (!strcmp(word, "cursor")) {
        set_cursor(n);
    } else if (!strcmp(word, "quit")) {
        printf("{}\n");
        exit(0);
    } else {
        die("not a command: %.20s", line);
    }
}

int main(int argc, char **argv)
{
    char line[100];

    kms.fd = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
    if (kms.fd < 0) {
        die("/dev/dri/card0: %s", strerror(errno));
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    find_screen();
    set_mode(argc > 1 ? strtoul(argv[1], NULL, 10) : 0);
    while (fgets(line, sizeof(line), stdin)) {
        obey(line);
    }
    return 0;
}
