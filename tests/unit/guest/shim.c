/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linux for the guest's driver: memory, work, time, trees, messages
 */
#include <ctype.h>
#include <glib.h>
#include <stdarg.h>

#include "shim.h"
#include "machine.h"

u64 shim_jiffies;
struct task_struct shim_task;
static struct workqueue_struct freezable;
struct workqueue_struct *system_freezable_wq = &freezable;

/* Memory */

void *shim_alloc(size_t bytes)
{
    if (machine.fail_allocation && !--machine.fail_allocation) {
        return NULL;
    }
    return calloc(1, bytes);
}

char *kasprintf(gfp_t gfp, const char *format, ...)
{
    char *text = shim_alloc(256);
    va_list ap;

    if (text) {
        va_start(ap, format);
        g_assert_cmpint(vsnprintf(text, 256, format, ap), <, 256);
        va_end(ap);
    }
    return text;
}

char *kstrdup(const char *text, gfp_t gfp)
{
    char *copy = shim_alloc(strlen(text) + 1);

    return copy ? strcpy(copy, text) : NULL;
}

void *memchr_inv(const void *start, int c, size_t bytes)
{
    const uint8_t *at = start;

    for (size_t i = 0; i < bytes; i++) {
        if (at[i] != (uint8_t)c) {
            return (void *)&at[i];
        }
    }
    return NULL;
}

char *strim(char *text)
{
    return g_strstrip(text);
}

/* Linux takes a sign and a newline at the end, but nothing else. */
int kstrtouint(const char *text, unsigned int base, unsigned int *result)
{
    guint64 value;
    char *end;

    if (*text == '+') {
        text++;
    }
    if (!isdigit((unsigned char)*text)) {
        return -EINVAL;
    }
    errno = 0;
    value = g_ascii_strtoull(text, &end, base);
    if (*end == '\n') {
        end++;
    }
    if (*end) {
        return -EINVAL;
    }
    if (errno || value > UINT32_MAX) {
        return -ERANGE;
    }
    *result = value;
    return 0;
}

/* Work */

struct workqueue_struct *alloc_ordered_workqueue(const char *format,
                                                 unsigned int flags, ...)
{
    return shim_alloc(sizeof(struct workqueue_struct));
}

bool queue_work(struct workqueue_struct *queue, struct work_struct *work)
{
    struct work_struct **last = &queue->first;

    if (work->queue) {
        return false;
    }
    while (*last) {
        last = &(*last)->next;
    }
    work->queue = queue;
    work->next = NULL;
    *last = work;
    return true;
}

static bool run_first(struct workqueue_struct *queue)
{
    struct work_struct *work = queue->first;

    if (!work) {
        return false;
    }
    queue->first = work->next;
    work->queue = NULL;
    work->function(work);
    return true;
}

void shim_run(struct workqueue_struct *queue)
{
    unsigned int n = 0;

    while (run_first(queue)) {
        g_assert_cmpuint(++n, <, 100000);
    }
}

void shim_thaw(void)
{
    shim_run(&freezable);
}

bool flush_work(struct work_struct *work)
{
    struct workqueue_struct *queue = work->queue;

    while (work->queue) {
        run_first(queue);
    }
    return queue;
}

bool cancel_work_sync(struct work_struct *work)
{
    struct work_struct **at;

    if (!work->queue) {
        return false;
    }
    at = &work->queue->first;
    while (*at != work) {
        at = &(*at)->next;
    }
    *at = work->next;
    work->queue = NULL;
    return true;
}

void destroy_workqueue(struct workqueue_struct *queue)
{
    shim_run(queue);
    free(queue);
}

/* Who sleeps lets the backend act. */
void msleep(unsigned int ms)
{
    shim_jiffies += ms ?: 1;
    if (machine.while_asleep) {
        machine.while_asleep();
    }
}

int stop_machine(int (*function)(void *data), void *data,
                 const struct cpumask *cpus)
{
    int result;

    g_assert_false(machine.stopped);
    machine.stopped = true;
    machine.stops++;
    result = function(data);
    machine.stopped = false;
    return result;
}

/* Trees */

void rb_link_node(struct rb_node *node, struct rb_node *parent,
                  struct rb_node **link)
{
    *node = (struct rb_node) { .rb_parent = parent };
    *link = node;
}

static void replace(struct rb_node *old, struct rb_node *new,
                    struct rb_root *root)
{
    struct rb_node *parent = old->rb_parent;

    if (!parent) {
        root->rb_node = new;
    } else if (parent->rb_left == old) {
        parent->rb_left = new;
    } else {
        parent->rb_right = new;
    }
    if (new) {
        new->rb_parent = parent;
    }
}

static struct rb_node *leftmost(struct rb_node *node)
{
    while (node && node->rb_left) {
        node = node->rb_left;
    }
    return node;
}

void rb_erase(struct rb_node *node, struct rb_root *root)
{
    struct rb_node *next;

    if (!node->rb_left || !node->rb_right) {
        replace(node, node->rb_left ?: node->rb_right, root);
        return;
    }
    next = leftmost(node->rb_right);
    if (next != node->rb_right) {
        replace(next, next->rb_right, root);
        next->rb_right = node->rb_right;
        next->rb_right->rb_parent = next;
    }
    replace(node, next, root);
    next->rb_left = node->rb_left;
    next->rb_left->rb_parent = next;
}

struct rb_node *rb_first(const struct rb_root *root)
{
    return leftmost(root->rb_node);
}

struct rb_node *rb_next(const struct rb_node *node)
{
    if (node->rb_right) {
        return leftmost(node->rb_right);
    }
    while (node->rb_parent && node->rb_parent->rb_right == node) {
        node = node->rb_parent;
    }
    return node->rb_parent;
}

/* Messages */

void shim_message(const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_string_append(machine.log, text);
}

int register_reboot_notifier(struct notifier_block *nb)
{
    g_assert_null(machine.reboot);
    machine.reboot = nb;
    return 0;
}

int unregister_reboot_notifier(struct notifier_block *nb)
{
    g_assert_true(machine.reboot == nb);
    machine.reboot = NULL;
    return 0;
}
