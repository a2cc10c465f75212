# SPDX-License-Identifier: Apache-2.0
"""Drives git agent-run at a terminal: `terminal.py REPO`; prints "ok - ..." or "not ok - ..." lines."""
import fcntl, os, pty, re, select, signal, struct, sys, termios, time

repo = sys.argv[1]


class Session:
    def __init__(self, script, rows=40, cols=100, args=()):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(repo)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
            os.execvp("git", ["git", "agent-run", *args, "--", "bash", "-c", script])
        self.out = b""
        self.before = None

    def until(self, pattern, seconds=30):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.out):
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                return False
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return bool(re.search(pattern, self.out))
            if not data:
                return False
            self.out += data
        return True

    def send(self, data):
        os.write(self.fd, data)

    def wait(self):
        self.until(rb"\0never\0")
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


def check(name, good, session=None):
    print(("ok - " if good else "not ok - ") + name)
    if not good and session:
        print("#   " + repr(session.out[-600:]))


s = Session("tty; stty size; test -t 0 && test -t 1 && test -t 2 && echo all-tty; exit 3")
status = s.wait()
check("a terminal of its own", b"/dev/pts/0" in s.out and b"all-tty" in s.out, s)
check("its size is ours", b"40 100" in s.out, s)
check("the agent's status", status == 3, s)

s = Session("trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done")
s.until(rb"ready")
fcntl.ioctl(s.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
check("a new size arrives", s.until(rb"50 132") and s.wait() == 0, s)

s = Session("read -r line; echo got:$line; read -rsn1 key; printf 'key:%s\\n' $key")
time.sleep(0.2)
s.send(b"hello\n")
check("a line that was typed", s.until(rb"got:hello"), s)
s.send(b"x")
check("a single key, not echoed", s.until(rb"key:x") and s.wait() == 0, s)

s = Session("trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.05; done; ")
s.until(rb"ready")
s.send(b"\x03")
check("Ctrl-C once reaches the agent", s.until(rb"caught") and s.wait() == 5, s)

s = Session("echo change > made; trap '' INT TERM; echo ready; while :; do sleep 0.05; done; ")
s.until(rb"ready")
s.send(b"\x03\x03")
check("Ctrl-C twice kills", s.wait() == 130, s)
check("and the change so far is captured", b"1 files changed" in s.out, s)

# Here git-agent-run leads its session: nobody could continue it.
s = Session("kill -STOP $$; echo went-on; exit 7")
check("an agent that stops itself under nobody goes on", s.wait() == 7 and b"went-on" in s.out, s)

s = Session("stty raw -echo; echo ready; sleep 0.2; kill -9 $$")
s.until(rb"ready")
attrs = termios.tcgetattr(s.fd)
status = s.wait()
check("a killed agent", status == 128 + 9, s)

# The terminal is as it was, whatever the agent did to its own.
pid, fd = pty.fork()
if pid == 0:
    os.chdir(repo)
    os.execvp("bash", ["bash", "-c", "a=$(stty -g); git agent-run -- bash -c 'stty raw -echo; kill -9 $$'; "
                                     "b=$(stty -g); [ \"$a\" = \"$b\" ] && echo restored || echo broken"])
out = b""
while True:
    try:
        data = os.read(fd, 65536)
    except OSError:
        break
    if not data:
        break
    out += data
os.waitpid(pid, 0)
check("our terminal is restored", b"restored" in out)

# Job control: the agent stops itself, our process stops with it, and both go on.
pid, fd = pty.fork()
if pid == 0:
    os.chdir(repo)
    os.execvp("bash", ["bash", "-ic", "set -m; git agent-run -- bash -c 'echo up; kill -STOP $$; echo resumed'; "
                                      "echo stopped-with $?; jobs; fg >/dev/null; echo end $?"])
out = b""
end = time.monotonic() + 30
while time.monotonic() < end and b"end 0" not in out:
    if select.select([fd], [], [], 1)[0]:
        try:
            out += os.read(fd, 65536)
        except OSError:
            break
check("suspended with the agent", b"stopped-with 1" in out)
check("and resumed with it", b"resumed" in out and b"end 0" in out)
if b"end 0" not in out:
    print("#   " + repr(out[-600:]))
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
