# SPDX-License-Identifier: MIT
"""Processes that a benchmark starts: pinned to a processor, watched, and ended by process id whatever happens."""
import ctypes
import os
import resource
import select
import signal
import socket
import subprocess
import time

SERVER_CPU, LOAD_CPU = 0, 1
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Absent(Exception):
    """This contender cannot run here; the text says why."""


def raise_descriptor_limit():
    """The memory jobs hold one descriptor a connection: take all that the hard limit gives."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _prepare(cpu):
    available = os.sched_getaffinity(0)

    def prepare():
        if cpu in available:
            os.sched_setaffinity(0, {cpu})
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    return prepare


class Process:
    """A program in a session of its own, so that ^C in the terminal reaches the harness first, which then ends it."""

    def __init__(self, argv, cpu, *, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=None, env=None):
        self.argv = [str(a) for a in argv]
        try:
            self.popen = subprocess.Popen(
                self.argv, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True,
                preexec_fn=_prepare(cpu), env={**os.environ, **(env or {})})
        except FileNotFoundError:
            raise Absent(f"{self.argv[0]} is not installed") from None
        self.pid = self.popen.pid

    def line(self, seconds=30):
        """The next line of its output, without the newline."""
        ready, _, _ = select.select([self.popen.stdout], [], [], seconds)
        text = self.popen.stdout.readline().decode() if ready else ""
        if not text.endswith("\n"):
            raise Absent(f"{os.path.basename(self.argv[0])} gave no answer (exit status {self.popen.poll()})")
        return text.rstrip("\n")

    def end(self):
        """SIGTERM, and SIGKILL two seconds later, to the group that it leads."""
        for number, seconds in ((signal.SIGTERM, 2), (signal.SIGKILL, 10)):
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                pass
            try:
                self.popen.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                continue
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream:
                stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Server(Process):
    """A process that prints `listening ADDRESS` once it listens."""

    def __init__(self, argv, **options):
        super().__init__(argv, SERVER_CPU, stdout=subprocess.PIPE, **options)
        try:
            words = self.line().split()
        except BaseException:
            self.end()
            raise
        if words[0] != "listening":
            self.end()
            raise Absent(f"{self.argv[0]} said {' '.join(words)!r}")
        self.address = words[1]

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])


def free_port():
    """A TCP port that nobody uses, for programs that cannot let the kernel pick."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _listening_ports():
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as lines:
            next(lines)
            for fields in map(str.split, lines):
                if fields[3] == "0A":
                    ports.add(int(fields[1].rsplit(":", 1)[1], 16))
    return ports


def wait_for(condition, process, what, seconds=20):
    """Poll a condition that has no event of its own (a port that another program opens), while the process lives."""
    end = time.monotonic() + seconds
    while not condition():
        if process.popen.poll() is not None:
            raise Absent(f"{os.path.basename(process.argv[0])} ended with status {process.popen.returncode}")
        if time.monotonic() > end:
            raise Absent(f"{os.path.basename(process.argv[0])}: {what} in vain")
        time.sleep(0.005)


def wait_for_port(port, process):
    wait_for(lambda: port in _listening_ports(), process, f"waited for port {port}")


def wait_for_socket(path, process):
    def answers():
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(str(path))
                return True
            except OSError:
                return False

    wait_for(answers, process, f"waited for {path}")


def resident_bytes(pid):
    """Resident memory, exactly (the counters in status and statm may lag behind)."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("no Rss")


def descendants(pid):
    """What a process has started, and what that has."""
    for thread in os.listdir(f"/proc/{pid}/task"):  # a child is listed with the thread that made it
        with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as children:
            for child in map(int, children.read().split()):
                yield child
                yield from descendants(child)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def timed(spawn, argv, count=1, env=None):
    """Seconds of each of `count` runs of a command on the load's processor, measured by load-spawn."""
    with Process([spawn, count, *argv], LOAD_CPU, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as p:
        out, err = p.popen.communicate(timeout=300)
        if p.popen.returncode:
            raise Absent(f"{' '.join(map(str, argv[:3]))}...: {err.decode(errors='replace').strip()[-200:]}")
        return [int(text) / 1e9 for text in out.split()]
