# SPDX-License-Identifier: MIT
"""lines-python.py r|rb: lines from a socket by makefile. The feeder's lines are those of common/feed.h."""
import os
import socket
import sys
import time

LINE, LINES = 80, 1250000

own, peer = socket.socketpair()
if os.fork() == 0:
    own.close()
    os.sched_setaffinity(0, {min(1, os.cpu_count() - 1)})
    block = (b"x" * (LINE - 1) + b"\n") * 800
    left = LINE * LINES
    while left:
        peer.sendall(block[:left])
        left -= min(left, len(block))
    os._exit(0)
peer.close()
begin = time.monotonic()
got = lines = 0
with own.makefile(sys.argv[1]) as file:
    while line := file.readline():
        got += len(line)
        lines += 1
seconds = time.monotonic() - begin
os.wait()
if (got, lines) != (LINE * LINES, LINES):
    sys.exit(1)
print(f"lines {got / 1e6 / seconds:.1f}")
