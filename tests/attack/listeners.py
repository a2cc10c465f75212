#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Services of a host that a run must not reach, for tests.

listeners.py LOG [unix:PATH | abstract:NAME | tcp:ADDR | udp:ADDR]...

Listens on each, prints "name address" lines (with the port that was chosen) and an empty line,
then writes one line to LOG for every contact until it is killed. A path that cannot be made is
passed over and not printed.
"""

import os
import selectors
import socket
import sys


def listener(kind, where):
    if kind == "unix":
        os.makedirs(os.path.dirname(where), exist_ok=True)
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(where)
        return sock, where
    if kind == "abstract":
        sock = socket.socket(socket.AF_UNIX)
        sock.bind("\0" + where)
        return sock, "@" + where
    family = socket.AF_INET6 if ":" in where else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    sock.bind((where, 0))
    return sock, str(sock.getsockname()[1])


def main():
    log = open(sys.argv[1], "a", buffering=1)
    selector = selectors.DefaultSelector()
    for i, word in enumerate(sys.argv[2:]):
        kind, where = word.split(":", 1)
        try:
            sock, name = listener(kind, where)
        except OSError:
            continue
        if kind != "udp":
            sock.listen(64)
        selector.register(sock, selectors.EVENT_READ, (kind, name))
        print(i, name)
    print(flush=True)
    while True:
        for key, _ in selector.select():
            kind, name = key.data
            if kind == "udp":
                key.fileobj.recv(64)
            else:
                key.fileobj.accept()[0].close()
            log.write(f"{kind} {name}\n")


main()
