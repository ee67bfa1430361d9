# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in dom0, or in a host with KVM: execute the cases of /lab/job.json and write a line
for each event."""

import importlib
import json
import os
import pkgutil
import signal
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE]
import cases  # noqa: E402
import dom0  # noqa: E402
from lab import CASES, Lab  # noqa: E402
from logs import Logs, broken  # noqa: E402


class TimeUp(Exception):
    pass


def on_alarm(_number, _frame):
    raise TimeUp()


def event(**fields):
    """Tell the host, which reads this file while we run."""
    with open(f"{dom0.OUT}/events.jsonl", "a", encoding="utf-8") as f:
        f.write(json.dumps(fields) + "\n")


def execute(case, lab):
    """Run one case; return (result, reason)."""
    try:
        signal.alarm(dom0.allowed(case.limit))
        case.function(lab)
        signal.alarm(0)
    except dom0.Skipped as skipped:
        return "skip", str(skipped)
    except dom0.Failed as failed:
        return "fail", str(failed)
    except TimeUp:
        place = traceback.extract_tb(sys.exc_info()[2])
        lines = [f"{os.path.basename(p.filename)}:{p.lineno}" for p in place]
        return "fail", f"not finished after {dom0.allowed(case.limit)} s, at {' > '.join(lines[1:])}"
    except Exception:  # pylint: disable=broad-except
        return "fail", traceback.format_exc()[-1500:]
    finally:
        signal.alarm(0)
    if not lab.lives:
        return "fail", "the case ended without a sign of life"
    if not lab.checks:
        return "fail", "the case ended without checking anything"
    return "pass", ""


# TCG's SVM occasionally loses a guest right after an intercepted instruction, whether or
# not it runs our code. Such a case is run once more, and the output says so.
LOST_GUEST = "Triple fault"


def attempt(case, lab, logs):
    lab.begin()
    result, reason = execute(case, lab)
    return result, reason, logs.collect()


def drop_guest(lab):
    signal.alarm(dom0.allowed(90))
    lab.drop_guest()
    signal.alarm(0)


def run_case(case, lab, logs):
    event(event="start", case=case.name, limit=dom0.allowed(case.limit))
    began = time.monotonic()
    result, reason, new = attempt(case, lab, logs)
    if result == "fail" and LOST_GUEST in new["xen"]:
        event(event="again", case=case.name, limit=dom0.allowed(case.limit), reason=LOST_GUEST)
        drop_guest(lab)
        logs.collect()
        result, reason, new = attempt(case, lab, logs)
    trouble = broken(new, lab.expected)
    if trouble and result != "fail":
        result, reason = "fail", trouble
    elif trouble:
        reason += f" [{trouble}]"
    event(event="end", case=case.name, result=result, reason=reason, data=lab.data,
          seconds=round(time.monotonic() - began, 1),
          tail={n: t[-3000:] for n, t in new.items()} if result == "fail" else {})
    if result == "fail":
        drop_guest(lab)


def main():
    with open(f"{dom0.SHARE}/job.json", encoding="utf-8") as f:
        job = json.load(f)
    dom0.be_patient(job["patience"])
    signal.signal(signal.SIGALRM, on_alarm)
    limit = dom0.allowed(120)
    event(event="dom0", limit=limit,
          uptime=float(open("/proc/uptime", encoding="ascii").read().split()[0]))
    signal.alarm(limit)
    dom0.setup(job["kvm"])
    dom0.require_qemu(job["qemu"])
    signal.alarm(0)
    for module in pkgutil.iter_modules(cases.__path__):
        importlib.import_module("cases." + module.name)
    lab, logs = Lab(job["boot"], job["kvm"], job["software"]), Logs(xen=not job["kvm"])
    event(event="ready", versions=dom0.versions(job["kvm"]))
    for name in job["cases"]:
        run_case(CASES[name], lab, logs)
    lab.drop_guest()
    logs.collect()
    event(event="done")


if __name__ == "__main__":
    try:
        main()
    except BaseException:  # pylint: disable=broad-except
        event(event="broken", reason=traceback.format_exc()[-2000:])
        raise
    finally:
        os.sync()
