// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that fail in a copy of one of our modules; see faults.h
 */
#include <linux/atomic.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>

#include "faults.h"

static atomic_t fail_nth = ATOMIC_INIT(0);

static int fail_nth_set(const char *text, const struct kernel_param *kp)
{
	int value, err = kstrtoint(text, 0, &value);

	if (!err)
		atomic_set(&fail_nth, value);
	return err;
}

static int fail_nth_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%d\n", atomic_read(&fail_nth));
}

static const struct kernel_param_ops fail_nth_ops = {
	.set = fail_nth_set,
	.get = fail_nth_get,
};
module_param_cb(fail_nth, &fail_nth_ops, NULL, 0600);

static int fail_task;
module_param(fail_task, int, 0600);
static int refuse_task;
module_param(refuse_task, int, 0600);
static int fail_release;
module_param(fail_release, int, 0600);

bool lab_fault(void)
{
	int task = READ_ONCE(fail_task);

	if (task && task != task_pid_nr(current))
		return false;
	return atomic_dec_if_positive(&fail_nth) == 0;
}

bool lab_fault_refuses(void)
{
	return READ_ONCE(refuse_task) == task_pid_nr(current);
}

bool lab_fault_releases(void)
{
	return READ_ONCE(fail_release);
}
