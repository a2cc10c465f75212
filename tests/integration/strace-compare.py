#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""strace-compare.py EVENTS STRACE START PLACE [MASK...]: says which programs are only in the trace of a
run, or only in what strace -f -v wrote of a second one (in the directory PLACE); then how many the
trace has.

A program is its file, its arguments to the byte, and its end. Of those that one process ran in a
row, the last has the end; the others end with "exec". What counts begins with the first program whose
arguments are START (JSON). Calls that failed are left out on both sides. Whatever a MASK (a regular
expression) matches in a program's line is taken for the same: random names."""
import base64, collections, hashlib, json, re, sys

KEPT = 32768  # bytes of arguments that an event keeps; beyond, it has number, length and digest
STRING = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
CALL = re.compile(r"execve(at)?\((?:(\S+), )?" + STRING + r", \[((?:" + STRING.replace("(", "(?:", 1) + r"(?:, )?)*)\]", re.S)
MASK = re.compile("|".join(sys.argv[5:]) or "$^")
SIGNALS = {name: n for n, name in enumerate("? HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM".split())}

def long_argv(argc, size, digest):
    return ["%d arguments, %d bytes, %s" % (argc, size, digest)]

def text(value):
    return value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])

def ours(path):
    for line in open(path):
        e = json.loads(line)
        if e["type"] == "exec":
            assert e["decision"] == "allow" and e["verified"], e
            argv = [text(a) for a in e["argv"]]
            if "argv_bytes" in e:
                argv = long_argv(e["argc"], e["argv_bytes"], e["argv_sha256"])
            yield e["pid"], [text(e.get("file", e["exe"]))] + argv, None
        elif e["type"] == "exit":
            yield e["pid"], None, "killed %d" % e["signal"] if "signal" in e else "exited %d" % e["code"]

def unquote(quoted):
    return quoted.encode("latin1").decode("unicode_escape").encode("latin1")

def called(call):
    """What the kernel makes of a call: the name it gives to the image, and its arguments."""
    m = CALL.match(call)
    assert m, call[:300]
    file, argv = unquote(m[3]), [unquote(w) for w in re.findall(STRING, m[4])]
    if m[1] and not file.startswith(b"/") and m[2] != "AT_FDCWD":
        file = b"/dev/fd/" + m[2].encode() + (b"/" + file if file else b"")
    return [file] + interpreted(file, argv or [b""])

GONE = {b"./script": b"#!/bin/sh -e", b"./outer": b"#! ./inner  one arg", b"./inner": b"#!/bin/sh -e"}

def interpreted(file, argv):
    """A script's arguments become its interpreter's, and so on."""
    try:
        head = open(file if file.startswith(b"/") else sys.argv[4].encode() + b"/" + file, "rb").readline(256)
    except OSError:
        head = GONE.get(file, b"")
    if not head.startswith(b"#!"):
        if sum(len(a) + 1 for a in argv) <= KEPT:
            return argv
        whole = b"".join(a + b"\0" for a in argv)
        return long_argv(len(argv), len(whole), hashlib.sha256(whole).hexdigest())
    line = head[2:].strip().split(None, 1)
    return interpreted(line[0], line + [file] + argv[1:])

def theirs(path):
    pending = {}
    for line in open(path, encoding="latin1", newline="\n"):
        pid, rest = line.split(None, 1)
        # A thread's call goes on under its leader's number; strace may have begun a line for the leader.
        m = re.match(r"(?:\?\?\?\(\d+ +)?\+\+\+ superseded by execve in pid (\d+)", rest)
        if m:
            pending[pid] = pending.pop(m[1])
            continue
        if re.match(r"execve(at)?\(", rest):
            pending[pid] = rest
        if re.match(r"execve(at)?\(|<\.\.\. execve", rest) and re.search(r"\) *= 0$", rest):
            yield pid, called(pending.pop(pid)), None
        m = re.match(r"\+\+\+ (?:exited with (\d+)|killed by SIG(\w+))", rest)
        if m:
            yield pid, None, "exited " + m[1] if m[1] else "killed %d" % SIGNALS[m[2]]

def programs(runs, start):
    last, out = {}, []
    for pid, argv, end in runs:
        if argv is not None:
            if pid in last:
                out[last[pid]][1] = "exec"
            last[pid] = len(out)
            out.append([argv, "?"])
        elif pid in last:
            out[last.pop(pid)][1] = end
    first = next(i for i, (argv, _) in enumerate(out) if argv[1:] == start)
    return collections.Counter(MASK.sub("*", "%r %s" % (argv, end)) for argv, end in out[first:])

wanted = [w.encode() for w in json.loads(sys.argv[3])]
a, b = programs(ours(sys.argv[1]), wanted), programs(theirs(sys.argv[2]), wanted)
for where, lines in (("only in the trace:", a - b), ("only in strace:", b - a)):
    for line in sorted(lines.elements()):
        print(where, line[:400])
print(sum(a.values()), "programs")
