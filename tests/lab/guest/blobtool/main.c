/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blobtool: host-visible virtio-gpu blobs from a guest's user space
 *
 *   blobtool hold BYTES SEED [--no-fill] [--fifo PATH]
 *   blobtool bench BYTES [OPS] [--pairs N] [--small-pages]
 *   blobtool live SECONDS|--until-eof BYTES SEED [--threads N] [--fifo PATH]
 *   blobtool many COUNT BYTES
 *   blobtool cycle COUNT BYTES
 *   blobtool latency COUNT BYTES [HELD HELD_BYTES] [--pause MS]
 *                    [--marks]
 *   blobtool touch-ram BYTES
 *
 * BYTES accepts the suffixes K and M. OPS is a list of write, read, copy and
 * random (default: write,read). Options for all subcommands: --device PATH
 * (default: /dev/dri/renderD128), --mem host3d|guest (default: host3d).
 *
 * Each answer is one line of JSON. The exit status is 1 if an operation
 * failed or a word was wrong.
 *
 * hold then reads commands, one per line, from standard input or the FIFO:
 *   verify SEED      compare all words
 *   fill SEED        write all words
 *   sample SEED N    compare N words, always the same ones
 *   scatter SEED N   write those words
 *   copy-in SEED     write all words with memcpy(), that is with wide stores
 *   copy-out SEED    read all words with memcpy() and compare them
 *   bench PAIRS [BYTES] [OPS]   like the subcommand, for the first BYTES
 *   touch            read a word of each page
 *   quit             unmap and exit
 * live accepts "stats" and "quit".
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <drm/drm.h>
#include <drm/virtgpu_drm.h>

#include "blob.h"
#include "commands.h"
#include "tool.h"

static const struct subcommand {
    const char *name;
    int min_args, max_args;
    bool no_gpu;
    const char *usage;
    int (*run)(int gpu, char **arg);
} subcommands[] = {
    { "hold", 2, 2, false, "hold BYTES SEED [--no-fill] [--fifo PATH]",
      run_hold },
    { "bench", 1, 2, false, "bench BYTES [OPS] [--pairs N] [--small-pages]",
      run_bench },
    { "live", 3, 3, false, "live SECONDS|--until-eof BYTES SEED [--threads N] "
      "[--fifo PATH]", run_live },
    { "many", 2, 2, false, "many COUNT BYTES", run_many },
    { "cycle", 2, 2, false, "cycle COUNT BYTES", run_cycle },
    { "latency", 2, 2, false,
      "latency COUNT BYTES [HELD HELD_BYTES] [--pause MS] [--marks]",
      run_latency },
    { "latency", 4, 4, false, NULL, run_latency },
    { "touch-ram", 1, 1, true, "touch-ram BYTES", run_touch_ram },
};

#define NR_SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

static void __attribute__((noreturn)) usage(void)
{
    for (size_t i = 0; i < NR_SUBCOMMANDS; i++) {
        if (subcommands[i].usage) {
            fprintf(stderr, "%s blobtool %s\n", i ? "      " : "usage:",
                    subcommands[i].usage);
        }
    }
    fprintf(stderr, "options of all: --device PATH, --mem host3d|guest\n");
    die("wrong arguments");
}

static void set_mem(const char *name)
{
    if (!strcmp(name, "host3d")) {
        options.mem = VIRTGPU_BLOB_MEM_HOST3D;
    } else if (!strcmp(name, "guest")) {
        options.mem = VIRTGPU_BLOB_MEM_GUEST;
    } else {
        die("--mem must be host3d or guest, not '%s'", name);
    }
}

static void parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        { "device", required_argument, NULL, 'd' },
        { "mem", required_argument, NULL, 'm' },
        { "fifo", required_argument, NULL, 'f' },
        { "pairs", required_argument, NULL, 'p' },
        { "pause", required_argument, NULL, 's' },
        { "small-pages", no_argument, NULL, 'l' },
        { "threads", required_argument, NULL, 't' },
        { "until-eof", no_argument, NULL, 'e' },
        { "marks", no_argument, NULL, 'k' },
        { "no-fill", no_argument, NULL, 'n' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'd':
            options.device = optarg;
            break;
        case 'm':
            set_mem(optarg);
            break;
        case 'f':
            options.fifo = optarg;
            break;
        case 'p':
            options.pairs = small_number(optarg, "--pairs", 1);
            break;
        case 'l':
            options.small_pages = true;
            break;
        case 's':
            options.pause_ms = small_number(optarg, "--pause", 0);
            break;
        case 't':
            options.threads = small_number(optarg, "--threads", 1);
            break;
        case 'e':
            options.until_eof = true;
            break;
        case 'k':
            options.marks = true;
            break;
        case 'n':
            options.fill = false;
            break;
        default:
            usage();
        }
    }
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    for (size_t i = 0; optind < argc && i < NR_SUBCOMMANDS; i++) {
        const struct subcommand *s = &subcommands[i];
        int given = argc - optind - 1;

        /* It replaces the argument SECONDS. */
        given += s->run == run_live && options.until_eof;
        if (!strcmp(argv[optind], s->name) &&
            given >= s->min_args && given <= s->max_args) {
            return s->run(s->no_gpu ? -1 : open_gpu(), argv + optind + 1);
        }
    }
    usage();
}
