# SPDX-License-Identifier: MIT
"""What the examples are tested with: the programs started on free ports, Python servers and proxies between the two."""

import contextlib
import os
import pathlib
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import unittest

PROGRAMS = pathlib.Path(os.environ["LY_BUILD"]) / "examples"
PATIENCE = 120  # seconds for anything that should happen at once; sanitizers and a busy machine included
CROWD = 100
UTF8 = os.environ | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


class Collector(threading.Thread):
    """Reads one output of a program to its end; others wait for what is in it."""

    def __init__(self, file):
        super().__init__(daemon=True)
        self.file = file
        self.data = b""
        self.ended = False
        self.changed = threading.Condition()
        self.start()

    def run(self):
        while piece := os.read(self.file.fileno(), 65536):
            with self.changed:
                self.data += piece
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()
        self.file.close()

    def wait_for(self, holds, what):
        with self.changed:
            done = self.changed.wait_for(lambda: holds(self.data) or self.ended, PATIENCE)
            if not done or not holds(self.data):
                raise AssertionError(f"waited for {what}, and there was {self.data!r}")
            return self.data


class Program:
    """One of our programs, running, with its input and both outputs at hand."""

    def __init__(self, name, *arguments, cwd=None, file_limit=None):
        def limits():
            if file_limit:
                import resource
                resource.setrlimit(resource.RLIMIT_NOFILE, (file_limit, file_limit))
        self.name = name
        self.process = subprocess.Popen([PROGRAMS / name, *map(str, arguments)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, env=UTF8,
                                        preexec_fn=limits)
        self.out = Collector(self.process.stdout)
        self.err = Collector(self.process.stderr)

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def end_input(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def wait_for(self, text, times=1):
        """Wait until standard output has this text."""
        wanted = text.encode()
        return self.out.wait_for(lambda data: data.count(wanted) >= times, repr(text)).decode()

    def port(self):
        """Where a server listens, as it says itself."""
        pattern = re.compile(rb"listening on [a-z]+://.*:(\d+)\n")
        return int(pattern.search(self.err.wait_for(pattern.search, "'listening on'")).group(1))

    def finish(self, status=0):
        """Wait for the end and give standard output; a sanitizer has found nothing."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.remove()
            raise
        self.out.join(PATIENCE)
        self.err.join(PATIENCE)
        errors = self.err.data.decode(errors="replace")
        if code != status or "Sanitizer" in errors or "runtime error" in errors:
            raise AssertionError(f"{self.name} ended with {code}: {errors[-8000:]}")
        return self.out.data.decode(errors="replace")

    def stop(self):
        """End a server and give its standard output."""
        self.process.send_signal(signal.SIGTERM)
        if "LY_SANITIZED" in os.environ:
            # gcc's thread sanitizer keeps a signal that interrupts a fiber until that very fiber runs again.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE / 4)
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
        return self.finish()

    def remove(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.end_input()


# ---- peers: what the other side would be in Python ----

def connect(port):
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
    return sock


def read_exactly(sock, n):
    data = b""
    while len(data) < n:
        piece = sock.recv(min(n - len(data), 1 << 20))
        if not piece:
            raise EOFError(f"{len(data)} of {n} bytes: {data[:200]!r}")
        data += piece
    return data


def read_to_end(sock):
    data = b""
    while piece := sock.recv(1 << 16):
        data += piece
    return data


def pack(n):
    return struct.pack("i", n)


def read_int(sock):
    return struct.unpack("i", read_exactly(sock, 4))[0]


class Server:
    """A Python server on a port of its own: serve(connection) in a thread for each."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.serve = serve
        self.failures = []
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self.run, args=[connection], daemon=True)
            self.threads.append(thread)
            thread.start()

    def run(self, connection):
        try:
            with connection:
                connection.settimeout(PATIENCE)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.serve(connection)
        except (OSError, EOFError, AssertionError) as error:
            self.failures.append(error)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(PATIENCE)
        for failure in self.failures:
            if isinstance(failure, AssertionError):
                raise failure


class DatagramServer:
    """A Python UDP server on a port of its own: answer(data, sender) gives what goes back."""

    def __init__(self, answer, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.port = self.socket.getsockname()[1]
        self.answer = answer
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            data, sender = self.socket.recvfrom(65536)
            if data == b"end of " + str(self.port).encode():
                return
            answer = self.answer(data, sender)
            if answer is not None:
                self.socket.sendto(answer, sender)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"end of " + str(self.port).encode(), ("127.0.0.1", self.port))
            self.thread.join(PATIENCE)
        self.socket.close()


class Proxy:
    """Stands before a port and changes the pieces in which bytes arrive, never the bytes.

    cut: one byte a send. glue: what comes is held back until there is a pause, and sent as one.
    """

    PAUSE = 0.03

    def __init__(self, kind, port):
        self.pump = {"cut": self.cut, "glue": self.glue}[kind]
        self.target = port
        self.server = Server(self.relay)
        self.port = self.server.port

    @staticmethod
    def cut(source, sink):
        while data := source.recv(4096):
            for i in range(len(data)):
                sink.sendall(data[i:i + 1])

    @classmethod
    def glue(cls, source, sink):
        ended = False
        while not ended:
            data = source.recv(65536)
            ended = not data
            while not ended and select.select([source], [], [], cls.PAUSE)[0]:
                piece = source.recv(65536)
                ended = not piece
                data += piece
            sink.sendall(data)

    def relay(self, near):
        with connect(self.target) as far:
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=self.one_way, args=[far, near])
            back.start()
            self.one_way(near, far)
            back.join()

    def one_way(self, source, sink):
        with contextlib.suppress(OSError):
            self.pump(source, sink)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        self.server.close()


def crowd(task, n=CROWD):
    """Run task(i) in n threads that begin together; raises the first failure."""
    start = threading.Barrier(n)
    failures = []

    def run(i):
        try:
            start.wait(PATIENCE)
            task(i)
        except Exception as error:  # noqa: BLE001: it is raised again below
            failures.append(error)

    threads = [threading.Thread(target=run, args=[i], daemon=True) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    if failures:
        raise failures[0]
    if any(thread.is_alive() for thread in threads):
        raise AssertionError(f"not all of {n} have come to an end")


class Case(unittest.TestCase):
    """Starts things that are cleared away at the end of the test."""

    maxDiff = None

    def start(self, name, *arguments, **options):
        program = Program(name, *arguments, **options)
        self.addCleanup(program.remove)
        return program

    def start_server(self, name, *arguments, **options):
        """A server of ours on a free port; gives it and the port."""
        program = self.start(name, "127.0.0.1", 0, *arguments, **options)
        return program, program.port()

    def run_client(self, name, port, text="", *arguments, status=0, **options):
        """A client of ours to its end, fed with the text; gives its standard output."""
        program = self.start(name, "127.0.0.1", port, *arguments, **options)
        with contextlib.suppress(BrokenPipeError):
            program.type(text)
        program.end_input()
        return program.finish(status)

    def run_impatient_client(self, name, prompt, first, second, answer):
        """A client of ours that waits for a second, gets no answer in it, and goes on; gives its standard output and
        what it sent. The next answer is there before it is asked for, so that no machine is too slow for that second."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(PATIENCE)
            program = self.start(name, *listener.getsockname(), 1)
            connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            program.type(first)
            program.wait_for(prompt, 2)
            connection.sendall(answer)
            program.type(second)
            program.end_input()
            return program.finish(), read_to_end(connection)

    def serve(self, serve):
        """A Python server; gives its port."""
        server = Server(serve)
        self.addCleanup(server.close)
        return server.port

    def serve_datagrams(self, answer):
        """A Python UDP server; gives its port."""
        server = DatagramServer(answer)
        self.addCleanup(server.close)
        return server.port

    def datagrams(self, port):
        """A socket that sends datagrams to that port and receives from it alone."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", port))
        return sock

    def through(self, kind, port):
        """The port of a proxy in front of that port; kind None: the port itself."""
        if kind is None:
            return port
        proxy = Proxy(kind, port)
        self.addCleanup(proxy.close)
        return proxy.port


class ServerPair:
    """Mixed into a Case: a server of ours that serves many, and the Python client `talk` that knows its bytes."""

    server = None
    server_arguments = ()
    through_cut = True

    def talk(self, sock, i):
        """One conversation; raises where an answer is not as wire.md has it."""
        raise NotImplementedError

    def check_output(self, output, peers):
        """What the server has printed; peers are the clients' addresses."""

    def converse(self, kind, n=1):
        program, port = self.start_server(self.server, *self.server_arguments)
        port = self.through(kind, port)
        peers = []

        def one(i):
            with connect(port) as sock:
                peers.append(sock.getsockname())
                self.talk(sock, i)

        if n > 1:
            crowd(one, n)
        else:
            one(0)
        self.assertEqual(len(peers), n)
        output = program.stop()
        if kind is None:
            self.check_output(output, peers)

    def test_our_server_and_a_python_client(self):
        self.converse(None)

    def test_our_server_and_a_python_client_whose_bytes_arrive_one_by_one(self):
        if not self.through_cut:
            self.skipTest("the protocol has no borders: each byte would be a message")
        self.converse("cut")

    def test_our_server_and_a_python_client_whose_bytes_arrive_glued(self):
        self.converse("glue")

    def test_our_server_and_100_python_clients_at_once(self):
        self.converse(None, CROWD)

    def test_our_server_and_100_python_clients_at_once_through_the_proxies(self):
        for kind in ("cut", "glue") if self.through_cut else ("glue",):
            with self.subTest(kind=kind):
                self.converse(kind, CROWD)

    def test_our_server_outlives_a_client_that_resets_and_one_that_says_nothing(self):
        program, port = self.start_server(self.server, *self.server_arguments)
        with connect(port), connect(port) as reset:
            reset.sendall(b"x")
            reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            reset.close()
            with connect(port) as sock:
                self.talk(sock, 0)
        program.stop()


class ClientPair:
    """Mixed into a Case: a client of ours, what is typed and printed, and the Python server `answer`."""

    client = None
    client_arguments = ()
    typed = ""
    printed = ""
    through_cut = True

    def answer(self, connection):
        raise NotImplementedError

    def check_client(self, kind):
        port = self.through(kind, self.serve(self.answer))
        self.assertEqual(self.run_client(self.client, port, self.typed, *self.client_arguments), self.printed)

    def test_our_client_and_a_python_server(self):
        self.check_client(None)

    def test_our_client_and_a_python_server_whose_bytes_arrive_one_by_one(self):
        if not self.through_cut:
            self.skipTest("the protocol has no borders: each byte would be an answer")
        self.check_client("cut")

    def test_our_client_and_a_python_server_whose_bytes_arrive_glued(self):
        self.check_client("glue")

    def test_100_of_our_clients_and_a_python_server_at_once(self):
        port = self.serve(self.answer)

        def one(_):
            output = self.run_client(self.client, port, self.typed, *self.client_arguments)
            self.assertEqual(output, self.printed)

        crowd(one)
