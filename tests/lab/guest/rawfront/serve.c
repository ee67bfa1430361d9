// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rawfront: how requests are answered
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rawfront.h"

struct policy policy;
struct served served;
static xen_hostmem_back_ring_t back;
static bool garbage;            /* no request in the ring is to be believed */

void serve_start(void)
{
    BACK_RING_INIT(&back, sring, PAGE);
    garbage = false;
}

static void respond(uint64_t id, uint8_t operation, int32_t status)
{
    struct xen_hostmem_response *rsp =
        RING_GET_RESPONSE(&back, back.rsp_prod_pvt);

    *rsp = (struct xen_hostmem_response) {
        .id = id, .operation = operation, .status = status,
    };
    back.rsp_prod_pvt++;
}

static void answer(const struct xen_hostmem_request *req, enum answer how,
                   int32_t status)
{
    switch (how) {
    case ANSWER_SILENT:
        break;
    case ANSWER_TWICE:
        respond(req->id, req->operation, status);
        respond(req->id, req->operation, status);
        break;
    case ANSWER_OTHER_ID:
        respond(req->id + 1, req->operation, status);
        break;
    case ANSWER_OTHER_OPERATION:
        respond(req->id, XEN_HOSTMEM_OP_MAP + XEN_HOSTMEM_OP_UNMAP -
                req->operation, status);
        break;
    case ANSWER_STATUS:
        respond(req->id, req->operation, policy.status);
        break;
    default:
        respond(req->id, req->operation, status);
        break;
    }
}

static void do_map(const struct xen_hostmem_request *req)
{
    int32_t status = XEN_HOSTMEM_OK;

    served.maps++;
    if (policy.map != ANSWER_STATUS && policy.map != ANSWER_LIE) {
        const uint32_t *refs = buffer + req->first;

        if (!(policy.elsewhere ? grants_map_elsewhere(req, refs)
                               : grants_map_window(req, refs))) {
            served.refused++;
            status = XEN_HOSTMEM_EIO;
        }
    }
    answer(req, policy.map, status);
}

static void do_unmap(const struct xen_hostmem_request *req)
{
    struct held *h = grants_find(req->id);

    served.unmaps++;
    if (h && (policy.unmap == ANSWER_STATUS || policy.unmap == ANSWER_LIE)) {
        grants_remember(h);
    } else if (h) {
        grants_unmap(h);
    }
    answer(req, policy.unmap, XEN_HOSTMEM_OK);
}

void serve(void)
{
    struct xen_hostmem_request req;
    int notify;

    if (!sring || garbage) {
        return;
    }
    while (RING_HAS_UNCONSUMED_REQUESTS(&back)) {
        RING_COPY_REQUEST(&back, back.req_cons, &req);
        back.req_cons++;
        switch (req.operation) {
        case XEN_HOSTMEM_OP_MAP:
            do_map(&req);
            break;
        case XEN_HOSTMEM_OP_UNMAP:
            do_unmap(&req);
            break;
        default:
            die("the backend requests operation %u", req.operation);
        }
    }
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&back, notify);
    if (notify) {
        connection_notify();
    }
    sring->req_event = back.req_cons + 1;
    xen_mb();
    if (RING_HAS_UNCONSUMED_REQUESTS(&back)) {
        serve();                /* they came before QEMU knew of req_event */
    }
}

void serve_ahead(uint32_t n)
{
    sring->rsp_prod = sring->req_prod + n;
    xen_mb();
    connection_notify();
}

/* Anything at any time */

static atomic_bool busy;
static struct {
    unsigned int ms, seed;
} job;

static void *scribble(void *unused)
{
    double end = now_ms() + job.ms;
    unsigned int state = job.seed;

    (void)unused;
    while (now_ms() < end) {
        for (int i = 0; i < 500; i++) {
            unsigned int r = rand_r(&state);
            volatile uint8_t *page = (void *)((r & 16) ? (void *)sring
                                                       : (void *)buffer);

            switch (r & 7) {
            case 0:             /* one more response, whatever it contains */
                if (sring->rsp_prod != sring->req_prod) {
                    sring->rsp_prod++;
                } else if (rand_r(&state) % 4096 == 0) {
                    sring->rsp_prod = rand_r(&state);
                }
                break;
            case 1:
                sring->rsp_event = rand_r(&state);
                break;
            case 2:
                sring->ring[rand_r(&state) % 64].rsp.id =
                    rand_r(&state) % 1024;
                break;
            default:            /* not the indexes: those end it at once */
                page[64 + rand_r(&state) % (PAGE - 64)] = rand_r(&state);
                break;
            }
        }
        connection_notify();
    }
    busy = false;
    return NULL;
}

void scribble_start(unsigned int ms, unsigned int seed)
{
    pthread_t thread;

    job.ms = ms;
    job.seed = seed;
    busy = garbage = true;
    if (pthread_create(&thread, NULL, scribble, NULL)) {
        die("no thread");
    }
    pthread_detach(thread);
}

bool scribble_busy(void)
{
    return busy;
}
