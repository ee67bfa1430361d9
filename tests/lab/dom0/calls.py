# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure system calls and sleeps, in microseconds. Run in dom0 and in a guest of either
host, this tells which part of a difference in frame rates is not caused by the GPU."""

import json
import os
import time


def mean(count, call, *arguments):
    began = time.perf_counter()
    for _ in range(count):
        call(*arguments)
    return round((time.perf_counter() - began) / count * 1e6, 1)


print(json.dumps({"yield_us": mean(2000, os.sched_yield), "getppid_us": mean(5000, os.getppid),
                  "sleep_50_us": mean(100, time.sleep, 50e-6),
                  "sleep_1000_us": mean(50, time.sleep, 1e-3)}))
