# SPDX-License-Identifier: MIT
"""Moving files: one large one, and many small ones. Time is that of the whole client process."""
import shutil
import subprocess

from .lanyard import Lanyard
from .peers import Nginx, Rsync, Sshd, tool
from .processes import SERVER_CPU, Absent, Process, Server, free_port, timed, wait_for_port
from .table import LIMIT, OURS, PEER, Contender, Job


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_file(context, path):
    if path.stat().st_size != context.big_bytes:
        raise Absent(f"left {path.stat().st_size} bytes")


def check_tree(context, path):
    names = [p for p in path.rglob("*") if p.is_file()]
    if len(names) != context.files or any(p.stat().st_size != context.file_bytes for p in names[::97]):
        raise Absent(f"left {len(names)} files")


def measured(context, stack, command, destination, check, amount):
    """measure() for a command that makes `destination`: `amount` a second."""
    stack.callback(remove, destination)

    def measure():
        remove(destination)
        seconds, = timed(context.program("load-spawn"), command)
        check(context, destination)
        remove(destination)
        return amount / seconds

    return measure


def arriving(context):
    return context.dir / f"arrived{context.unique()}"


def one_file(make):
    """make(context, stack, destination) starts a server and returns the command that fetches the large file."""
    def open_(context, stack):
        context.make_big()
        destination = arriving(context)
        return measured(context, stack, make(context, stack, destination), destination, check_file,
                        context.big_bytes / 1e6)

    return open_


def limit_file(transport):
    def make(context, stack, destination):
        address = "tcp://127.0.0.1:0" if transport == "tcp" else f"unix:{context.sockets}/f{context.unique()}"
        server = stack.enter_context(Server([context.program("limit-file"), "serve", address, context.big]))
        return [context.program("limit-file"), "get", server.address, destination]

    return make


def lanyard_file(transport):
    return lambda context, stack, destination: Lanyard(context, stack, transport, context.dir).get(
        context.big.name, destination)


def rsync_file(context, stack, destination):
    return Rsync(context, stack, context.dir).get(context.big.name, destination)


def nginx_file(context, stack, destination):
    return Nginx(context, stack, context.dir).get(context.big.name, destination)


def scp_file(context, stack, destination):
    return Sshd(context, stack).get(context.big, destination)


def tree(direction, make):
    """make(context, stack, direction, destination) gives the command that copies the tree of small files."""
    def open_(context, stack):
        context.make_small()
        destination = arriving(context)
        return measured(context, stack, make(context, stack, direction, destination), destination, check_tree,
                        context.files / 1000)

    return open_


def limit_tree(context, stack, direction, destination):
    program = context.program("limit-tree")
    server = stack.enter_context(Server([program, "serve", "tcp://127.0.0.1:0"]))
    return [program, direction, server.address, context.small, destination]


def lanyard_tree(transport):
    def make(context, stack, direction, destination):
        ours = Lanyard(context, stack, transport, context.dir)
        if direction == "get":
            return ours.get(context.small.name, destination)
        return ours.put(context.small, destination.name)

    return make


def rsync_tree(context, stack, direction, destination):
    daemon = Rsync(context, stack, context.dir)
    if direction == "get":
        return daemon.get(context.small.name + "/", destination)
    return daemon.put(f"{context.small}/", destination.name + "/")


def scp_tree(context, stack, direction, destination):
    daemon = Sshd(context, stack)
    return getattr(daemon, direction)(context.small, destination)


def tar_open(direction):
    """tar through nc: a fresh listener for each run, since nc serves one connection."""
    def open_(context, stack):
        context.make_small()
        tar, nc, spawn = tool("tar"), tool("nc"), context.program("load-spawn")
        destination = arriving(context)
        stack.callback(remove, destination)
        pack = f"'{tar}' -C '{context.small}' -cf - ."
        unpack = f"'{tar}' -C '{destination}' -xf -"

        def measure():
            remove(destination)
            destination.mkdir()
            port = free_port()
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
            remove(destination)
            return context.files / 1000 / seconds

        return measure

    return open_


def trees(direction):
    return [
        Contender("minimal pair", LIMIT, tree(direction, limit_tree)),
        Contender("lanyard, Unix socket", OURS, tree(direction, lanyard_tree("unix"))),
        Contender("lanyard, TCP", OURS, tree(direction, lanyard_tree("tcp"))),
        Contender("rsync daemon", PEER, tree(direction, rsync_tree)),
        Contender("tar + nc", PEER, tar_open(direction)),
        Contender("scp -r", PEER, tree(direction, scp_tree)),
    ]


JOBS = [
    Job("get-unix", "get of 1 GiB over a Unix socket", "MB/s", target=0.85, note="Ours checks XXH3-128 at both ends.",
        contenders=[
            Contender("sendfile into a file", LIMIT, one_file(limit_file("unix"))),
            Contender("lanyard", OURS, one_file(lanyard_file("unix"))),
        ]),
    Job("get-tcp", "get of 1 GiB over TCP loopback", "MB/s", target=0.85,
        note="Ours checks XXH3-128 at both ends; rsync MD5 or XXH3; scp is on aes128-gcm.",
        contenders=[
            Contender("sendfile into a file", LIMIT, one_file(limit_file("tcp"))),
            Contender("lanyard", OURS, one_file(lanyard_file("tcp"))),
            Contender("rsync daemon", PEER, one_file(rsync_file)),
            Contender("nginx + curl", PEER, one_file(nginx_file)),
            Contender("scp", PEER, one_file(scp_file)),
        ]),
    Job("get-many", "get of 10,000 files of 4 KiB", "1000 files/s", digits=1, target=0.6, contenders=trees("get")),
    Job("put-many", "put of 10,000 files of 4 KiB", "1000 files/s", digits=1, target=0.6, contenders=trees("put")),
]
