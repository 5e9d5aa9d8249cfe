# SPDX-License-Identifier: MIT
"""Over TLS, as on a network: handshakes, commands, files, and strangers who connect and say nothing."""
import contextlib
import re
import socket
import statistics
import subprocess

from .commands import latency, ssh_fresh, ssh_kept, stream
from .lanyard import LanyardNetwork
from .peers import Dropbear, NginxTls, RsyncSsh, TarSsh, certificate
from .processes import LOAD_CPU, Process, Server, timed
from .table import LIMIT, OURS, PEER, Contender, Grid, Job
from .transfer import one_file, scp_file, scp_tree, served_file, tree


def handshakes(start, how):
    """Thousands a second of the server's processor time. start(context, stack) gives (address, process id)."""
    def open_(context, stack):
        address, pid = start(context, stack)

        def measure():
            argv = [context.program("load-tls"), address, how, context.warm_ms, context.window_ms, pid]
            with Process(argv, LOAD_CPU, stdout=subprocess.PIPE) as p:
                values = dict(re.findall(r"(\w+)=([\d.]+)", p.line(60)))
            return int(values["handshakes"]) / float(values["server_cpu"]) / 1000

        return measure

    return open_


def ours(context, stack):
    server = stack.enter_context(Server([context.program("ly-tls"), *certificate(context)]))
    return server.address, server.pid


def nginx(context, stack):
    server = NginxTls(context, stack, context.dir)
    return f"tcp://127.0.0.1:{server.port}", server.pid


def network(context, stack):
    return LanyardNetwork(context, stack, context.dir)


def network_tree(context, stack, direction):
    server = network(context, stack)
    if direction == "get":
        return lambda destination: server.get(context.small.name, destination)
    return lambda destination: server.put(context.small, destination.name)


def shell_tree(start):
    def make(context, stack, _direction):
        server = start(context, stack)
        return lambda destination: server.get(context.small, destination)

    return make


def rsync_file(context, stack):
    server = RsyncSsh(context, stack)
    return lambda destination: server.get(context.big, destination)


def strangers(context, progress):
    """exec before strangers have come and while they are there, interleaved with a server that none came to."""
    count = 500 if context.quick else 10000
    with contextlib.ExitStack() as stack:
        quiet, beset = (LanyardNetwork(context, stack, context.dir, "--login-time", "600", "--max-startups",
                                       f"{count + 100}:1:{count + 200}") for _ in range(2))
        before = beset.memory()
        opened = [stack.enter_context(socket.create_connection(("127.0.0.1", beset.port))) for _ in range(count)]
        spawn, times = context.program("load-spawn"), ([], [])
        for number in range(context.rounds):
            progress(f"strangers: round {number + 1} of {context.rounds}")
            for server, values in zip((quiet, beset), times):
                values.append(statistics.median(timed(spawn, server.exec("true"), 20)) * 1000)
        slower = statistics.median(b / a for a, b in zip(*times))
        more = (beset.memory() - before) / 1e6
        yield ["a server without", f"{statistics.median(times[0]):.2f}", "", "", ""]
        yield [f"with {len(opened):,}", f"{statistics.median(times[1]):.2f}", f"{slower:.2f}", f"{more:.1f}", ""]


SSH_NOTE = "Every connection is encrypted and both ends are authenticated by keys."
AES = "All are on AES-128-GCM with TLS 1.3 or ssh."

JOBS = [
    Job("handshake", "full TLS 1.3 handshakes, key on P-256, a short request each", "1000 / server CPU s", digits=2, target=0.95,
        reference="nginx", contenders=[
            Contender("lanyard, fibers", OURS, handshakes(ours, "full")),
            Contender("nginx", PEER, handshakes(nginx, "full")),
        ]),
    Job("handshake-resumed", "resumed TLS 1.3 handshakes, a short request each", "1000 / server CPU s", digits=2, target=1.0,
        reference="nginx", contenders=[
            Contender("lanyard, fibers", OURS, handshakes(ours, "resumed")),
            Contender("nginx", PEER, handshakes(nginx, "resumed")),
        ]),
    Job("exec-tls", "exec of `true` over the network, whole client process, fresh connection with a key", "ms", higher=False,
        digits=2, target=0.5, reference="dropbear", note=SSH_NOTE, contenders=[
            Contender("posix_spawn of true", LIMIT, latency(lambda *_: ["true"], 200)),
            Contender("lanyard, TLS", OURS, latency(lambda c, s: network(c, s).exec("true"), 40)),
            Contender("ssh, kept connection", PEER, latency(ssh_kept, 40)),
            Contender("dropbear", PEER, latency(lambda c, s: Dropbear(c, s).exec("true"), 12)),
            Contender("ssh, fresh", PEER, latency(ssh_fresh, 8)),
        ]),
    Job("stream-tls", "streaming `head -c 1G /dev/zero` over TLS", "MB/s", target=1.5, reference="ssh, aes128-gcm", note=AES,
        contenders=[
            Contender("lanyard, TLS", OURS, stream(lambda c, s, command: network(c, s).exec(*command))),
            Contender("ssh, aes128-gcm", PEER, stream(ssh_fresh)),
        ]),
    Job("get-tls", "get of 1 GiB over TLS", "MB/s", target=1.2, reference="nginx + curl",
        note=AES + " Ours checks XXH3-128 at both ends; rsync MD5 or XXH3.", contenders=[
            Contender("lanyard, TLS", OURS, one_file(served_file(network))),
            Contender("nginx + curl", PEER, one_file(served_file(lambda c, s: NginxTls(c, s, c.dir)))),
            Contender("scp", PEER, one_file(scp_file)),
            Contender("rsync + ssh", PEER, one_file(rsync_file)),
        ]),
    Job("get-many-tls", "get of 10,000 files of 4 KiB over TLS", "1000 files/s", digits=1, target=3, reference="rsync + ssh",
        note=AES, contenders=[
            Contender("lanyard, TLS", OURS, tree("get", network_tree)),
            Contender("rsync + ssh", PEER, tree("get", shell_tree(RsyncSsh))),
            Contender("tar + ssh", PEER, tree("get", shell_tree(TarSsh))),
            Contender("scp -r", PEER, tree("get", scp_tree)),
        ]),
    Grid("strangers", "exec of `true` over TLS while 10,000 strangers are connected and say nothing", strangers,
         ["", "ms", "times as long", "MB more", ""], note="Goal: at most 1.3 times as long, and 40 MB more."),
]
