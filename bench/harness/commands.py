# SPDX-License-Identifier: MIT
"""Running commands: how long one takes from nothing, and how fast a long output comes."""
import statistics

from .lanyard import Lanyard
from .peers import Dropbear, Sshd
from .processes import Server, timed
from .table import LIMIT, OURS, PEER, Contender, Job


def latency(make, count):
    """Milliseconds of one run of `true`, the median of `count`. make(context, stack) gives the command."""
    def open_(context, stack):
        command = make(context, stack)

        def measure():
            runs = timed(context.program("load-spawn"), command, max(1, count // (4 if context.quick else 1)))
            return statistics.median(runs) * 1000

        return measure

    return open_


def stream(make):
    """MB/s of the output, thrown away by the client. make(context, stack, command) gives the client's command."""
    def open_(context, stack):
        command = make(context, stack, ["head", "-c", str(context.big_bytes), "/dev/zero"])

        def measure():
            seconds, = timed(context.program("load-spawn"), command)
            return context.big_bytes / 1e6 / seconds

        return measure

    return open_


def lanyard_exec(transport):
    return lambda context, stack, command=("true",): Lanyard(context, stack, transport, context.dir).exec(*command)


def ssh_fresh(context, stack, command=("true",)):
    return Sshd(context, stack).exec(*command)


def ssh_kept(context, stack):
    return Sshd(context, stack).keep_connection(context, stack)("true")


def limit_frames(transport):
    def make(context, stack, command):
        program = context.program("limit-frames")
        address = "tcp://127.0.0.1:0" if transport == "tcp" else f"unix:{context.sockets}/s{context.unique()}"
        server = stack.enter_context(Server([program, "serve", address, *command]))
        return [program, "get", server.address]

    return make


def streams(transport):
    return [
        Contender("raw frames", LIMIT, stream(limit_frames(transport))),
        Contender("lanyard", OURS, stream(lanyard_exec(transport))),
    ]


JOBS = [
    Job("exec", "exec of `true`, whole client process, fresh connection", "ms", higher=False, digits=2, target=2.5,
        note="Dropbear's and ssh's connections are encrypted and authenticated by keys, ours on loopback is not.",
        contenders=[
            Contender("posix_spawn of true", LIMIT, latency(lambda *_: ["true"], 200)),
            Contender("lanyard, Unix socket", OURS, latency(lanyard_exec("unix"), 200)),
            Contender("lanyard, TCP", OURS, latency(lanyard_exec("tcp"), 200)),
            Contender("ssh, kept connection", PEER, latency(ssh_kept, 40)),
            Contender("dropbear", PEER, latency(lambda c, s: Dropbear(c, s).exec("true"), 12)),
            Contender("ssh, fresh", PEER, latency(ssh_fresh, 8)),
        ]),
    Job("stream-unix", "streaming `head -c 1G /dev/zero` over a Unix socket", "MB/s", target=0.85,
        contenders=streams("unix")),
    Job("stream-tcp", "streaming `head -c 1G /dev/zero` over TCP loopback", "MB/s", target=0.85,
        contenders=streams("tcp") + [Contender("ssh, aes128-gcm", PEER, stream(ssh_fresh))]),
]
