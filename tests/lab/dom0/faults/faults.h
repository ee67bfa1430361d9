/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls that fail in a copy of one of our modules, which scripts/modules.sh
 * makes. MODULE-faults.h redefines the calls.
 *
 * Parameters: fail_nth is the number of calls until one fails (0: none does),
 * fail_task the only task whose calls count (0: any), refuse_task a task for
 * which all memory is somebody else's, fail_release whether what lets go of
 * memory reports an error.
 */
#ifndef LAB_FAULTS_H
#define LAB_FAULTS_H

#include <linux/types.h>

bool lab_fault(void);
bool lab_fault_refuses(void);
bool lab_fault_releases(void);

#define FAULT(result, call) (lab_fault() ? (result) : (call))

#endif
