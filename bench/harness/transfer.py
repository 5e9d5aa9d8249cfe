# SPDX-License-Identifier: MIT
"""Moving files: one large one, and many small ones. Time is that of the whole client process."""
import ctypes
import os
import subprocess

from . import machine
from .lanyard import Lanyard
from .peers import Nginx, Rsync, Sshd, tool
from .processes import SERVER_CPU, Absent, Process, Server, free_port, timed, wait_for_port
from .table import LIMIT, OURS, PEER, Contender, Job


def settle(path):
    """Write out what earlier runs left to be written, so that the next does not wait for it in the middle."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    ctypes.CDLL(None).syncfs(fd)
    os.close(fd)


def arriving(context):
    """A name that nothing has yet; its directory stays until the end of the whole run (see machine.spread)."""
    return context.dir / machine.unused_name("arrived")


def check_file(context, path):
    if path.stat().st_size != context.big_bytes:
        raise Absent(f"left {path.stat().st_size} bytes")


def check_tree(context, path):
    names = [p for p in path.rglob("*") if p.is_file()]
    if len(names) != context.files or any(p.stat().st_size != context.file_bytes for p in names[::97]):
        raise Absent(f"left {len(names)} files")


def one_file(make):
    """make(context, stack) starts a server and returns a function from a destination to the command that fetches the file."""
    def open_(context, stack):
        context.make_big()
        command = make(context, stack)

        def measure():
            destination = arriving(context)
            settle(context.dir)
            seconds, = timed(context.program("load-spawn"), command(destination))
            check_file(context, destination)
            destination.unlink()
            return context.big_bytes / 1e6 / seconds

        return measure

    return open_


def limit_file(transport, how="get"):
    def make(context, stack):
        program = context.program("limit-file")
        address = "tcp://127.0.0.1:0" if transport == "tcp" else f"unix:{context.sockets}/f{context.unique()}"
        server = stack.enter_context(Server([program, "serve", address, context.big]))
        return lambda destination: [program, how, server.address, destination]

    return make


def served_file(start):
    """The same for a server object with get(source name, destination)."""
    def make(context, stack):
        server = start(context, stack)
        return lambda destination: server.get(context.big.name, destination)

    return make


def lanyard(transport):
    return lambda context, stack: Lanyard(context, stack, transport, context.dir)


def rsync(context, stack):
    return Rsync(context, stack, context.dir)


def nginx(context, stack):
    return Nginx(context, stack, context.dir)


def scp_file(context, stack):
    server = Sshd(context, stack)
    return lambda destination: server.get(context.big, destination)


def tree(direction, make):
    """make(context, stack, direction) gives a function from a destination to the command that copies the small files."""
    def open_(context, stack):
        context.make_small()
        command = make(context, stack, direction)

        def measure():
            destination = arriving(context)
            settle(context.dir)
            seconds, = timed(context.program("load-spawn"), command(destination))
            check_tree(context, destination)
            return context.files / 1000 / seconds

        return measure

    return open_


def limit_tree(context, stack, direction):
    program = context.program("limit-tree")
    server = stack.enter_context(Server([program, "serve", "tcp://127.0.0.1:0"]))
    return lambda destination: [program, direction, server.address, context.small, destination]


def lanyard_tree(transport):
    def make(context, stack, direction):
        server = lanyard(transport)(context, stack)
        if direction == "get":
            return lambda destination: server.get(context.small.name, destination)
        return lambda destination: server.put(context.small, destination.name)

    return make


def rsync_tree(context, stack, direction):
    server = rsync(context, stack)
    if direction == "get":
        return lambda destination: server.get(context.small.name + "/", destination)
    return lambda destination: server.put(f"{context.small}/", destination.name + "/")


def scp_tree(context, stack, direction):
    server = Sshd(context, stack)
    return lambda destination: getattr(server, direction)(context.small, destination)


def tar_tree(direction):
    """tar through nc: a fresh listener for each run, since nc serves one connection."""
    def open_(context, _stack):
        context.make_small()
        tar, nc, spawn = tool("tar"), tool("nc"), context.program("load-spawn")
        pack = f"'{tar}' -C '{context.small}' -cf - ."

        def measure():
            destination, port = arriving(context), free_port()
            destination.mkdir()
            settle(context.dir)
            unpack = f"'{tar}' -C '{destination}' -xf -"
            listen, connect = f"'{nc}' -l 127.0.0.1 {port}", f"'{nc}' 127.0.0.1 {port}"
            if direction == "get":
                there, here = f"{pack} | {listen} -N", f"{connect} -d | {unpack}"
            else:
                there, here = f"{listen} -d | {unpack}", f"{pack} | {connect} -N"
            with Process(["sh", "-c", there], SERVER_CPU, stderr=subprocess.DEVNULL) as server:
                wait_for_port(port, server)
                seconds, = timed(spawn, ["sh", "-c", here])
                server.popen.wait(60)
            check_tree(context, destination)
            return context.files / 1000 / seconds

        return measure

    return open_


def trees(direction):
    return [
        Contender("minimal pair", LIMIT, tree(direction, limit_tree)),
        Contender("lanyard, Unix socket", OURS, tree(direction, lanyard_tree("unix"))),
        Contender("lanyard, TCP", OURS, tree(direction, lanyard_tree("tcp"))),
        Contender("rsync daemon", PEER, tree(direction, rsync_tree)),
        Contender("tar + nc", PEER, tar_tree(direction)),
        Contender("scp -r", PEER, tree(direction, scp_tree)),
    ]


JOBS = [
    Job("get-unix", "get of 1 GiB over a Unix socket", "MB/s", target=0.85, note="Ours checks XXH3-128 at both ends.",
        contenders=[
            Contender("sendfile into a file", LIMIT, one_file(limit_file("unix"))),
            Contender("lanyard", OURS, one_file(served_file(lanyard("unix")))),
            Contender("sendfile and splice, bytes never seen", PEER, one_file(limit_file("unix", "splice"))),
        ]),
    Job("get-tcp", "get of 1 GiB over TCP loopback", "MB/s", target=0.85,
        note="Ours checks XXH3-128 at both ends; rsync MD5 or XXH3; scp is on aes128-gcm.",
        contenders=[
            Contender("sendfile into a file", LIMIT, one_file(limit_file("tcp"))),
            Contender("lanyard", OURS, one_file(served_file(lanyard("tcp")))),
            Contender("sendfile and splice, bytes never seen", PEER, one_file(limit_file("tcp", "splice"))),
            Contender("rsync daemon", PEER, one_file(served_file(rsync))),
            Contender("nginx + curl", PEER, one_file(served_file(nginx))),
            Contender("scp", PEER, one_file(scp_file)),
        ]),
    Job("get-many", "get of 10,000 files of 4 KiB", "1000 files/s", digits=1, target=0.6, contenders=trees("get")),
    Job("put-many", "put of 10,000 files of 4 KiB", "1000 files/s", digits=1, target=0.6, contenders=trees("put")),
]
