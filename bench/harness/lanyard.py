# SPDX-License-Identifier: MIT
"""Our program: how it is started, and how a client names the machine. The only place that knows its command line."""
from .processes import SERVER_CPU, Process, free_port, wait_for_port, wait_for_socket


class Lanyard:
    """`lanyard serve` on a Unix socket ("unix") or on TCP loopback ("tcp"), serving one directory."""

    def __init__(self, context, stack, transport, root):
        self.program = context.program("lanyard", folder=".")
        if transport == "unix":
            path = context.sockets / f"ly{context.unique()}"
            self.address = f"unix:{path}"
            listen = ["--listen", self.address]
        else:
            port = free_port()
            self.address = f"tcp://127.0.0.1:{port}"
            listen = ["--listen", self.address, "--insecure-loopback"]
        self.process = stack.enter_context(
            Process([self.program, "serve", *listen, "--root", root], SERVER_CPU))
        if transport == "unix":
            wait_for_socket(path, self.process)
        else:
            wait_for_port(port, self.process)

    def get(self, source, destination):
        return [self.program, "get", "-q", f"{self.address}:{source}", destination]

    def put(self, source, destination):
        return [self.program, "put", "-q", source, f"{self.address}:{destination}"]

    def exec(self, *command):
        return [self.program, "exec", self.address, "--", *command]
