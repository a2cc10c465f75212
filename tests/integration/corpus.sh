#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Every way to start a program, and every kind of argument, for completeness.test: run beside the tool
# `execs`, in an empty directory, without a network. What it starts is the same each time.
# shellcheck disable=SC1083,SC2093,SC2211,SC2289 # words in disguise are what it is about
set -u
for way in fork vfork spawn path clone3 thread leader-gone together dirfd fexecve memfd big bytes \
	no-argv script failures ends stopped orphans connect-local; do
	./execs $way || echo "$way: $?" >&2
done
./execs i386 || echo "i386: $?" >&2

# Shells: pipelines, substitutions, functions, traps, co-processes, here-documents, words in disguise.
f() { /bin/echo "in a function: $(printf %s "$1" | tr a-z A-Z)"; }
f name
(f subshell)
{ f group; } | cat
f "$(f nested)"
trap '/bin/echo at the end' EXIT
cat <<<"here" | tee >(wc -c >/dev/null) | sha256sum >/dev/null
coproc cat
exec {COPROC[1]}>&-
wait
eval "$(base64 -d <<<L2Jpbi9lY2hvIGhpZGRlbgo=)"
c\at /dev/null
/u?r/b?n/tr''ue glob
env -i nice -n 1 timeout 5 setsid -w stdbuf -o0 xargs -I{} nohup true {} <<<wrapped
find . -maxdepth 1 -name execs -exec true {} \;
awk 'BEGIN { system("true by awk") }'

# The loader as a program; programs under other names, or none.
loader=$(readelf -l /bin/true | grep -oE '/lib[^] ]*')
"$loader" /bin/true by the loader
"$loader" --argv0 sleep /bin/true 99
ln -s /bin/true soft
./soft link
cp /bin/true copy
./copy of true
/proc/self/root/usr/bin/true root
//usr//bin/../bin/true slashes
(exec -a "" /bin/true)
(exec -a $'a\nb' /bin/true)

# Chains of scripts, as deep as the kernel goes (and one too many).
for i in 1 2 3 4 5 6; do
	if [ $i = 1 ]; then to=/bin/true; else to=./chain$((i - 1)); fi
	printf '#!%s arg %s\n' $to $i > chain$i
	chmod +x chain$i
done
./chain1 a
./chain4 "b c"
./chain6 2>/dev/null
printf '#!/usr/bin/env -S python3 -I -c "import sys; sys.exit(len(sys.argv))"\n' > snake
chmod +x snake
./snake 1 2
echo 'exit 6' > plain
chmod +x plain
./plain

# Bytes that no text has, in arguments and in names; many, and long ones.
printf 'caf\351\nnot utf-8\0\377\376\0\033]0;t\a\0\342\200\250\342\200\256\0' | xargs -0 -n 1 true
cp /bin/true $'na\nme \377'
./$'na\nme \377' x
head -c 100000 /dev/zero | tr '\0' x | xargs -n 1 true
true "$(seq 20000)"
seq 5000 | xargs true
seq 2000 | xargs /bin/true

python3 - <<'PYTHON'
import concurrent.futures as cf, multiprocessing as mp, os, subprocess as sp, threading
for how in ({}, {"preexec_fn": os.setsid}, {"close_fds": False}):
    sp.run(["true", "p"], **how)
sp.run("true shell", shell=True)
os.waitpid(os.posix_spawn("/bin/true", ["true", "posix_spawn"], {}), 0)
os.waitpid(os.spawnv(os.P_NOWAIT, "/bin/false", ["f"]), 0)
threads = [threading.Thread(target=sp.run, args=(["true", "thread %d" % i],)) for i in range(8)]
[t.start() for t in threads], [t.join() for t in threads]
with cf.ThreadPoolExecutor(4) as pool:
    list(pool.map(lambda i: sp.run(["sh", "-c", "exit %d" % i]), range(20)))
p = mp.get_context("fork").Process(target=os.execv, args=("/bin/true", ["true", "a fork's"]))
p.start(), p.join()
fd = os.memfd_create("x")
os.write(fd, open("/bin/true", "rb").read())
os.dup2(fd, 60)
os.waitpid(os.fork() or os.execve(60, ["true", "fd"], {}), 0)
PYTHON
node - <<'NODE'
const cp = require("child_process"), { Worker } = require("worker_threads");
for (let i = 0; i < 5; i++) cp.spawn("sh", ["-c", "exit " + i]);
cp.exec("true exec");
cp.execFile("true", ["execFile"]);
cp.spawnSync("false", ["sync"]);
cp.spawn("true", ["away"], { detached: true, stdio: "ignore" });
new Worker('require("child_process").execFileSync("true", ["in a worker"])', { eval: true });
NODE
