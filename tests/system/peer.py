# SPDX-License-Identifier: MIT
"""A client of its own, written from docs/protocol.md on Python's standard library, and the real program to test with it."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ["LANYARD"]
PATIENCE = 60  # seconds for anything that should happen at once; sanitizers and a busy machine included


# What no server may log: a sanitizer's findings, and what its workers are ended for. A worker's own exit status is lost.
FINDINGS = ("Sanitizer", "runtime error", "a system call that it may not make", "asked for what it may not have")


class Ended(Exception):
    """The connection ended between frames."""


class Connection:
    """Frames over a socket."""

    def __init__(self, address):
        kind, _, rest = address.partition(":")
        if kind == "unix":
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE)
            try:
                self.socket.connect(rest)
            except OSError:
                self.socket.close()
                raise
        else:
            host, _, port = rest.removeprefix("//").rpartition(":")
            self.socket = socket.create_connection((host, int(port)), PATIENCE)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send(self, header, body=b""):
        if body:
            header = header | {"size": len(body)}
        text = json.dumps(header).encode()
        self.socket.sendall(struct.pack("<i", len(text)) + text + body)

    def read_exactly(self, n):
        data = self.file.read(n)
        if len(data) != n:
            raise EOFError(f"{len(data)} of {n} bytes")
        return data

    def receive_head(self):
        first = self.file.read(1)
        if not first:
            raise Ended
        length, = struct.unpack("<i", first + self.read_exactly(3))
        return json.loads(self.read_exactly(length))

    def receive(self):
        """The next frame: its header and its body."""
        header = self.receive_head()
        return header, self.read_exactly(header.get("size", 0))

    def ask(self, header):
        self.send(header)
        return self.receive()[0]

    def ended(self):
        """Whether the server has ended the connection; waits for it, or for a frame."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    def start(self, request, number=1):
        """Send an exec request; gives what `started` says."""
        return self.ask({"cmd": "exec", "id": number} | request)

    def collect(self):
        """The rest of an exec's answer: standard output, standard error, the end frame."""
        streams = {"out": bytearray(), "err": bytearray()}
        while True:
            header, body = self.receive()
            if "stream" not in header:
                return bytes(streams["out"]), bytes(streams["err"]), header
            streams[header["stream"]] += body

    def run(self, *argv, **fields):
        """Run a command to its end: standard output, standard error, the end frame."""
        started = self.start({"argv": argv} | fields)
        if not started.get("started"):
            return b"", b"", started
        return self.collect()


class Server:
    """`lanyard serve` on a socket in a folder of its own."""

    def __init__(self, *options, environment=None, listen=True, limits=None, wrap=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
        self.root = self.folder / "root"
        self.root.mkdir()
        self.path = self.folder / "s"
        self.address = f"unix:{self.path}"
        arguments = ["--listen", self.address] if listen else []
        self.log = self.folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*wrap, PROGRAM, "serve", *arguments, "--root", self.root, *options],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                                            preexec_fn=limits)
        self.pid = self.process.pid

    def wait_for(self, text, times=1):
        """Wait until the log has this text so many times; gives the log."""
        with inotify(self.folder, self.pid) as changed:
            while True:
                ended = self.process.poll() is not None
                log = self.log.read_text(errors="replace")
                if log.count(text) >= times:
                    return log
                if ended:
                    raise AssertionError(f"the server has ended ({self.process.returncode}): {log}")
                changed()

    def ready(self):
        self.wait_for("serving ")
        return self

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def check_log(self):
        log = self.log.read_text(errors="replace") if self.log.exists() else ""
        if any(finding in log for finding in FINDINGS):
            raise AssertionError(f"the server logged: {log[-8000:]}")

    def remove(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        try:
            self.check_log()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def memory_peak(self):
        return status_number(self.pid, "VmHWM")


@contextlib.contextmanager
def inotify(folder, pid):
    """Gives a function that waits until something in the folder changes or the process ends."""
    import ctypes
    import select
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    libc.inotify_add_watch(fd, os.fsencode(folder), 0x3c2)  # modify, create, delete, move

    process = os.pidfd_open(pid)

    def changed():
        if not select.select([fd, process], [], [], PATIENCE)[0]:
            raise AssertionError("nothing happens")
        with contextlib.suppress(BlockingIOError):
            os.read(fd, 65536)

    try:
        yield changed
    finally:
        os.close(fd)
        os.close(process)


def status_number(pid, name):
    """A number of kilobytes from /proc/PID/status."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


def size_of(path):
    """The size of a file that somebody else may be making, or renaming: 0 as long as it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def wait_for_death(pid):
    """Wait until a process that is not our child has ended."""
    import select
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not select.select([fd], [], [], PATIENCE)[0]:
            raise AssertionError(f"process {pid} still runs")
    finally:
        os.close(fd)


def cli(*arguments, **options):
    """Run the program to its end: a CompletedProcess."""
    options.setdefault("stdin", subprocess.DEVNULL) if "input" not in options else None
    return subprocess.run([PROGRAM, *arguments], capture_output=True, timeout=PATIENCE * 5, check=False, **options)


def offend(port, times, control):
    """Have the server refuse 127.0.0.1, for some ten seconds a time: its penalties go away as time does, so all of it comes at
    once. control: the address of its Unix socket, which tells when it has come to that."""
    with contextlib.ExitStack() as held:
        connections = [held.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE)) for _ in range(times)]
        for s in connections:
            s.sendall(b"no TLS" * 20)
    end = time.monotonic() + PATIENCE
    with Connection(control) as connection:
        while True:
            connection.send({"cmd": "status", "id": 1})
            if json.loads(connection.receive()[1])["penalties"]["in_force"]:
                return
            if time.monotonic() > end:
                raise AssertionError("it is not refused")
            time.sleep(0.02)


def guess(folder, environment, arguments, meanwhile):
    """Run the program with a wrong password; once it has been let in and wants to read it, meanwhile() is called first. Gives
    its status and what it said."""
    file = folder / "guess"
    os.mkfifo(file)
    process = subprocess.Popen([PROGRAM, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               env=environment | {"LANYARD_PASSWORD_FILE": str(file)}, start_new_session=True)
    try:
        fd = None
        while fd is None and process.poll() is None:
            try:
                fd = os.open(file, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:  # it does not read yet
                time.sleep(0.02)
        if fd is not None:
            meanwhile()
            os.write(fd, b"a guess\n")
            os.close(fd)
        said = process.communicate(timeout=PATIENCE)[1].decode()
    finally:
        file.unlink()
        process.kill()
    return process.returncode, said


class ServerCase(unittest.TestCase):
    """A case with one server for all its tests; its log must say nothing of a sanitizer."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options).ready()

    @classmethod
    def tearDownClass(cls):
        try:
            status = cls.server.stop()
            cls.server.check_log()
            if status != 0:
                raise AssertionError(f"the server ended with {status}: {cls.server.log.read_text(errors='replace')[-8000:]}")
        finally:
            cls.server.remove()

    def connect(self):
        connection = Connection(self.server.address)
        self.addCleanup(connection.close)
        return connection
