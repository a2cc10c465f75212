#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pairs.py RUNS NAME=COMMAND NAME=COMMAND...: times whole commands in turn (A B A B ...) after one
warm-up each and prints, as JSON, each one's median wall seconds and CPU seconds. Ratios of medians
from one call hold when the machine's speed drifts."""
import json, os, resource, statistics, subprocess, sys, time

def once(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.stderr.write(f"{command}: status {done.returncode}\n{done.stderr.decode(errors='replace')}\n")
        sys.exit(1)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

runs = int(sys.argv[1])
table = [a.split("=", 1) for a in sys.argv[2:]]
times = {name: [] for name, _ in table}
for name, command in table:
    once(command)
for _ in range(runs):
    for name, command in table:
        times[name].append(once(command))
json.dump({n: {"wall": statistics.median(w for w, _ in t), "cpu": statistics.median(c for _, c in t)}
           for n, t in times.items()}, sys.stdout)
