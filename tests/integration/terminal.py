# SPDX-License-Identifier: Apache-2.0
"""Drives git agent-run at a terminal: `terminal.py REPO`; prints "ok - ..." or "not ok - ..." lines."""
import fcntl, os, pty, re, select, signal, struct, subprocess, sys, termios, time

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

# What would reach beyond the screen does not arrive; what draws does.
HOSTILE = [b"\x1b]52;", b"\x1b]0;", b"\x1b[21t", b"\x1bP", b"\x1b_", b"\x1b[5i", b"\x9b", b"\xc2\x9b", b"\x05", b"\x1b]8;",
           b"\x1b[3J", b"\x1bc"]
ATTACK = (r"printf 'A\033]52;c;eA==\aB\033]0;title\033\134C\033[21tD\033P$qm\033\134E\033_Ga=q;AA\033\134F\033[5iG\033]8;;http://a\alink'; "
          r"printf '\2335i\302\2335i\005\033[3J\033c\033[31mred\033[0m:done\n'; ")
for args in (), ("--no-tty",):
    how = " ".join(args) or "a terminal"
    s = Session(ATTACK, args=args)
    s.wait()
    check(how + ": hostile sequences are dropped", not any(h in s.out for h in HOSTILE) and b"ABCDEFGlink" in s.out, s)
    check(how + ": colours pass", b"\x1b[31mred\x1b[0m:done" in s.out, s)

# A pipe of ours gets the bytes as they are.
raw = subprocess.run(["git", "agent-run", "--no-tty", "--", "bash", "-c", ATTACK], cwd=repo, stdin=subprocess.DEVNULL,
                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
bare = subprocess.run(["bash", "-c", ATTACK], stdout=subprocess.PIPE).stdout
check("a pipe gets every byte", raw == bare and b"\x1b]52;" in raw)

# Two streams to one terminal: no part of one's sequence meets a part of the other's.
s = Session(r"for i in $(seq 300); do printf 'x\033]11;' ; printf '#000\a\n' >&2; done", args=("--no-tty",))
s.wait()
check("two streams make no sequence", b"\x1b]11;" not in s.out, s)

# The agent leaves everything changed and dies: the terminal is given back before our lines.
MODES = (r"printf '\033[?1049h\033[?25l\033[?1000;1006h\033[?2004h\033[>1u\033[5;9r\033(0\033[31mgit-agent-run: run deadbeef empty\033[5A'; ")
BACK = [b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l", b"\x1b[?1006l", b"\x1b[?2004l", b"\x1b[<1u", b"\x1b[r", b"\x1b(B", b"\x1b[0m"]
s = Session(MODES + "kill -9 $$")
s.wait()
forged, ours = s.out.find(b"run deadbeef"), s.out.rfind(b"git-agent-run: run ")
check("modes are reset before our lines", 0 < forged < ours and all(forged < s.out.rfind(b) < ours for b in BACK), s)
check("our lines are on a fresh line with nothing below", b"\r\n\x1b[J" in s.out[forged:ours], s)

# Keys typed ahead and answers that come late are not the shell's.
pid, fd = pty.fork()
if pid == 0:
    os.chdir(repo)
    os.execvp("bash", ["bash", "-c", "git agent-run -- bash -c 'stty raw -echo; printf \"\\033[6n\\033[c:asked\\n\"; kill -9 $$'; "
                                     "read -r line; echo shell-read:$line."])
out = b""
answered = 0
end = time.monotonic() + 30
while time.monotonic() < end and b"shell-read" not in out:
    if not select.select([fd], [], [], 1)[0]:
        continue
    try:
        out += os.read(fd, 65536)
    except OSError:
        break
    # A slow terminal: the answers to the agent's questions come with the answer to ours.
    if b"\x1b[5n" in out and not answered:
        os.write(fd, b"rm -rf /\r\x1b[1;1R\x1b[?62;4c\x1b[0n")
        answered = 1
    if b"git agent-log" in out and answered == 1:
        os.write(fd, b"typed\n")
        answered = 2
os.waitpid(pid, 0)
check("late answers and keys are discarded", b"shell-read:typed." in out)
if b"shell-read:typed." not in out:
    print("#   " + repr(out[-600:]))

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

# Stopped without a chance to clean up: the shell gets its screen, the agent gets it back and draws.
pid, fd = pty.fork()
if pid == 0:
    os.chdir(repo)
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    os.execvp("bash", ["bash", "-ic", "set -m; git agent-run -- bash -c 'trap \"echo drawn; exit 0\" WINCH; "
                                      "printf \"\\033[?1049h\\033[?1003h\\033[?25l\"; read -rsn 1; kill -STOP $$; while :; do sleep 0.05; done'; "
                                      "echo stopped-with $?; fg >/dev/null; echo end $?"])
out, seen = b"", False
end = time.monotonic() + 30
while time.monotonic() < end and b"end 0" not in out:
    if select.select([fd], [], [], 1)[0]:
        try:
            out += os.read(fd, 65536)
        except OSError:
            break
    # It stops when what it asked for has arrived.
    if not seen and b"\x1b[?25l" in out:
        seen = os.write(fd, b"x") == 1
stopped, ended = out.find(b"stopped-with"), out.find(b"end 0")
first, second = out[:stopped], out[stopped:ended]
check("a stopped agent's modes are not the shell's",
      all(m in first for m in (b"\x1b[?1049l", b"\x1b[?1003l", b"\x1b[?25h")))
check("it has them again when it goes on", ended > 0 and all(m in second for m in (b"\x1b[?1049h", b"\x1b[?1003h", b"\x1b[?25l")))
check("and is told to draw", b"drawn" in second)
if b"drawn" not in second:
    print("#   " + repr(out[-900:]))
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
