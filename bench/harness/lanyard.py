# SPDX-License-Identifier: MIT
"""Our program: how it is started, and how a client names the machine. The only place that knows its command line."""
import os
import pwd
import re
import subprocess

from .processes import SERVER_CPU, Absent, Process, descendants, free_port, resident_bytes, wait_for_port, wait_for_socket


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


class LanyardNetwork(Lanyard):
    """`lanyard serve` on TLS, with one process for the network; this machine's key is paired with a user of it."""

    def __init__(self, context, stack, root, *options):
        self.program = context.program("lanyard", folder=".")
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        state = {"LANYARD_STATE": str(context.fresh())}
        # One key for the client of all servers, in the environment of everything that is started from here.
        if not hasattr(context, "client_state"):
            context.client_state = os.environ["LANYARD_STATE"] = str(context.fresh())
        account = pwd.getpwuid(os.getuid()).pw_name
        self._tell(state, "user", "add", "bench", "--no-password", "--roles", "read,write,exec", "--account", account)
        self.process = stack.enter_context(
            Process([self.program, "serve", "--listen", f"tls://{self.address}", "--root", root, "--workers", "1",
                     "--exempt", "127.0.0.0/8", *options], SERVER_CPU, env=state, stderr=subprocess.DEVNULL))
        wait_for_port(self.port, self.process)
        code = re.search(r"\w{4}(-\w{4}){3}", self._tell(state, "user", "pair", "bench"))[0]
        self._tell({}, "pair", "--code-stdin", self.address, text=code + "\n")

    def _tell(self, environment, *arguments, text=""):
        done = subprocess.run([self.program, *arguments], input=text, capture_output=True, text=True, check=False,
                              env={**os.environ, **environment})
        if done.returncode:
            raise Absent(f"lanyard {arguments[0]}: {done.stderr.strip()[-200:]}")
        return done.stdout

    def memory(self):
        """Resident bytes of the server and all that it has started."""
        return sum(map(resident_bytes, [self.process.pid, *descendants(self.process.pid)]))
