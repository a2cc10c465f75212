#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""runlog.py ID SCENE [N]: makes a finished run in the repository of the current directory, with a
log of one of the scenes below, N large, whose chain holds. For tests of git agent-log."""
import hashlib, json, subprocess, sys, tempfile

class Log:
    def __init__(self, path):
        self.out, self.prev, self.seq = open(path, "wb"), "0" * 64, 0

    def event(self, kind, **fields):
        self.seq += 1
        t = "2026-03-01T10:%02d:%02d.%03d000Z" % (self.seq // 60000 % 60, self.seq // 1000 % 60, self.seq % 1000)
        line = json.dumps({"seq": self.seq, "t": t, "prev": self.prev, "type": kind, **fields},
                          separators=(",", ":")).encode()
        self.prev = hashlib.sha256(line).hexdigest()
        self.out.write(line + b"\n")

    def run(self, pid, ppid, *argv, **more):
        name = argv[0].rsplit("/", 1)[-1]
        self.event("exec", **{"pid": pid, "ppid": ppid, "exe": "/usr/bin/" + name, "argv": list(argv),
                              "cwd": "/w", "decision": "allow", "verified": True, **more})

    def end(self, pid, code=0, ms=5, **more):
        self.event("exit", pid=pid, **({"code": code} if code is not None else {}), duration_ms=ms, **more)

    def done(self, pid, ppid, *argv, code=0):
        self.run(pid, ppid, *argv)
        self.end(pid, code)

def tree(log, n):
    """What a tree shows, one of each."""
    log.run(10, 1, "agent", "--go")
    log.run(20, 10, "sh", "-c", "one\ntwo")
    log.done(21, 20, "ls", "a b")
    log.run(20, 10, "wc", "-l")                       # the shell went on as it
    log.done(22, 20, "below-wc")
    log.end(20)
    log.run(30, 10, "/usr/bin/env", "bash", "./tool", "--x", exe="/usr/bin/env", file="./tool")
    log.run(30, 10, "bash", "./tool", "--x", file="/usr/bin/bash")
    log.done(31, 30, "sed", "p")
    log.end(30, 3)
    log.run(32, 10, "/bin/sh", "./plain.sh", "y", exe="/usr/bin/dash", file="./plain.sh")
    log.end(32)
    log.run(33, 10, "ls", "-la", exe="/usr/bin/rm", file="/bin/rm")
    log.end(33)
    log.run(34, 10, "-bash", exe="/usr/bin/bash")
    log.end(34)
    log.run(40, 10, "gdb-target", verified=False, unverified="traced", exe="")
    log.end(40, None, signal=11)
    log.run(41, 10, "git", "push", decision="deny", rule="policy:12", reason="the gate pushes")
    log.end(41, 126)
    log.run(42, 10, "curl", "https://api.example/")
    log.event("dns", name="api.example", decision="allow", pid=42)
    log.event("dns", name="api.example", decision="allow", pid=42)
    log.event("connect", connection=1, pid=42, host="api.example", addr="192.0.2.7", port=443, proto="tcp", decision="allow")
    log.event("connect.end", connection=1, host="api.example", addr="192.0.2.7", port=443, proto="tcp",
              decision="allow", bytes_in=2048, bytes_out=10)
    log.end(42)
    log.event("connect", connection=2, pid=10, host="evil.example", addr=None, port=25, proto="tcp",
              decision="deny", rule="built-in", reason="no rule allows it")
    log.event("connect", connection=3, pid=999999, host="ok.example", addr="192.0.2.8", port=80, proto="tcp", decision="allow")
    log.event("connect.end", connection=3, host="ok.example", addr="192.0.2.8", port=80, proto="tcp",
              decision="deny", bytes_in=0, bytes_out=0, reason="not HTTP")
    log.run(50, 10, "sleep", "9")
    log.run(51, 4242, "orphan")
    log.end(51, None)
    log.end(10, 0, 1500)
    log.event("trace.end", failed_execs=77, unverified=1)

def build(log, n):
    """A build tool with n compilers, some of which stand out."""
    log.run(10, 1, "agent")
    log.run(11, 10, "make", "-j4", "all")
    for i in range(n):
        log.run(1000 + i, 11, "cc", "-c", "f%d.c" % i)
        log.done(500000 + i, 1000 + i, "as", "f%d.s" % i, code=1 if i == 3 else 0)
        log.end(1000 + i, 1 if i == 3 else 0)
    log.run(12, 11, "wget", "https://x.example/")
    log.event("connect", connection=1, pid=12, host="x.example", addr="192.0.2.9", port=443, proto="tcp", decision="allow")
    log.end(12)
    log.run(13, 11, "git", "push", decision="deny", rule="policy:12", reason="no")
    log.end(13, 126)
    log.run(14, 11, "traced", verified=False, unverified="busy")
    log.end(14)
    log.end(11, 2, 41000)
    log.end(10)

def small(log, n):
    """n different commands under a build tool."""
    log.run(10, 1, "make")
    for i in range(n):
        log.done(100 + i, 10, "step%d" % i)
    log.end(10)

def loop(log, n):
    """Siblings: n times two programs; then as many calls of a shell; then all different."""
    log.run(10, 1, "agent")
    for i in range(n):
        log.done(100, 10, "mkdir", str(i))
        log.done(101, 10, "cp", str(i), code=1 if i == 5 else 0)
    for i in range(n):
        log.done(102, 10, "bash", "-lc", "call %d" % i)
    for i in range(n):
        log.done(103, 10, "different%d" % i)
    log.end(10)

def runner(log, n):
    """npm is what starts the agent, which calls npm."""
    log.run(10, 1, "npm", "exec", "agent")
    log.run(11, 10, "npm", "test")
    for i in range(n):
        log.done(100 + i, 11, "jest", str(i))
    log.end(11)
    for i in range(n):
        log.done(100 + i, 10, "bash", "-lc", str(i))
    log.end(10)

def big(log, n):
    """A build of n events."""
    log.run(10, 1, "agent")
    log.run(11, 10, "make", "-j4")
    for i in range((n - 7) // 2):
        log.done(100 + i % 30000, 11, "cc", "-O2", "-std=gnu11", "-Wall", "-Iinclude", "-c", "-o",
                 "build/release/lib/some/file%d.o" % i, "lib/some/file%d.c" % i)
    log.end(11)
    log.end(10)

def deep(log, n):
    log.run(10, 1, "agent")
    for i in range(n):
        log.run(11 + i, 10 + i, "p")

def wide(log, n):
    log.run(10, 1, "agent")
    for i in range(n):
        log.run(11 + i, 10, "sh", "-c", "x" * 200)

def again(log, n):
    """One process that calls exec n times."""
    for i in range(n):
        log.run(10, 1, "p")

def names(log, n):
    log.run(10, 1, "agent")
    for i in range(n):
        log.run(11 + i, 10, "n%d" % i)

def argv(log, n):
    """Long command lines that grow tenfold when they are escaped."""
    log.run(10, 1, "agent")
    for i in range(n):
        log.run(11 + i, 10, *["\u202e\x1b" * 16000])

def pids(log, n):
    """Numbers that no process has."""
    for pid in (-1, 0, 2**22, 2**31, 2**53, 1e300, -2**40, None, "x", [1], {"a": 1}):
        log.run(pid, pid, "odd")
        log.end(pid)
    for field in ({"argv": None}, {"argv": {}}, {"argv": [1, None, {}]}, {"argv": []}, {"exe": 7}, {"file": []}):
        log.run(10, 10, "odd", **field)

def lookups(log, n):
    for i in range(n):
        log.event("dns", name="n%d.example" % i, decision="deny")
    for i in range(n):
        log.event("dns", name="same.example", decision="deny")

ident, scene = sys.argv[1:3]
count = int(sys.argv[3]) if len(sys.argv) > 3 else 0
git = lambda *a, **k: subprocess.run(["git", *a], check=True, capture_output=True, text=True, **k).stdout.strip()
with tempfile.NamedTemporaryFile() as file:
    log = Log(file.name)
    log.event("run.start", id=ident)
    globals()[scene](log, count)
    log.event("run.end", state="empty")
    log.out.close()
    info = {"schema": "countersign.run/v1", "id": ident, "title": scene, "state": "empty",
            "base": {"commit": git("rev-parse", "HEAD"), "tree": git("rev-parse", "HEAD^{tree}")},
            "change": None, "started": "2026-03-01T10:00:00Z", "ended": "2026-03-01T10:00:09.5Z",
            "duration_ms": 9500, "trace": {"events": log.seq, "head": log.prev},
            "counts": {"commands": 5, "commands_failed": 4, "commands_denied": 3, "commands_unverified": 2, "failed_execs": 77}}
    tree_id = git("mktree", input="100644 blob %s\tevents.jsonl\n100644 blob %s\trun.json\n" % (
        git("hash-object", "-w", file.name), git("hash-object", "-w", "--stdin", input=json.dumps(info))))
commit = git("commit-tree", "-p", "HEAD", tree_id, "-m",
             "%s\n\nAgent-Run: %s\nStarted: 2026-03-01T10:00:00Z\n" % (scene, ident))
git("update-ref", "refs/agent-run/%s/%s" % (ident[:2], ident), commit)
