# SPDX-License-Identifier: MIT
"""Machines on a network of their own, made of namespaces: each Host has its network, its name and its files where the program
keeps state. A bridge in this process's namespace joins them. All of it ends with this process, and nothing is left on the
machine: links belong to the namespaces, folders are memory file systems that only the namespaces see."""

import ctypes
import os
import pty
import select
import shutil
import signal
import subprocess
import time

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
NETWORK = "10.77.0"
PATIENCE = 60

# What a host does first. $1 its name, $2 the program. Its program lies where a user would have it; /home comes last, since the
# program may come from below it.
ENTER = r"""
mount --make-rprivate /
hostname "$1"
mount -t tmpfs tmpfs /usr/local/bin
cp "$2" /usr/local/bin/lanyard
mount -t tmpfs -o mode=755 tmpfs /var/lib
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /srv
mount -t tmpfs -o mode=755 tmpfs /mnt
mount -t tmpfs -o mode=755 tmpfs /home
mkdir /home/ada /run/hosts
printf '127.0.0.1 localhost\n' > /run/hosts/hosts
mount --bind /run/hosts/hosts /etc/hosts
ip link set lo up
echo ready
exec cat
"""


def why_not():
    """Why no hosts can be made here, or None."""
    if os.geteuid() != 0:
        return "namespaces take root"
    for tool in ("ip", "unshare", "nsenter", "setpriv"):
        if not shutil.which(tool):
            return f"there is no {tool}"
    tried = subprocess.run(["unshare", "--net", "--mount", "--uts", "sh", "-ec",
                            "mount --make-rprivate /; mount -t tmpfs t /mnt; ip link add name b type bridge;"
                            " ip link add name v type veth peer name w"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else "no namespaces: " + tried.stderr.strip()


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, stdin=subprocess.DEVNULL, timeout=PATIENCE)


class Network:
    """This process moves into a network of its own, with a bridge that hosts are plugged into."""

    def __init__(self, program):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        ip("link", "set", "lo", "up")
        ip("link", "add", "name", "hub", "type", "bridge")
        ip("link", "set", "hub", "up")
        self.program, self.hosts = program, []

    def add(self, name):
        host = Host(self, name, f"{NETWORK}.{len(self.hosts) + 1}")
        self.hosts.append(host)
        for one in self.hosts:
            one.know({other.name: other.address for other in self.hosts})
        return host

    def close(self):
        for host in self.hosts:
            host.close()


class Host:
    """A machine. Commands run inside it, as root, by a user whose name is ada."""

    def __init__(self, network, name, address):
        self.name, self.address, self.others = name, address, []
        self.environment = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/home/ada", "LOGNAME": "ada",
                            "LANG": "C.UTF-8", "TERM": "dumb", "TZ": "UTC", "LANYARD_STATE": "/var/lib/lanyard",
                            "XDG_RUNTIME_DIR": "/run"}
        for name_of_option in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"):
            if name_of_option in os.environ:
                self.environment[name_of_option] = os.environ[name_of_option]
        self.holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--uts", "sh", "-ec", ENTER, "sh", name,
             network.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        if self.holder.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the host {name} cannot be made")
        self.started = []
        self.plug()

    def plug(self):
        """A pair of links: one end in the bridge, the other the host's own."""
        ip("link", "add", "name", self.name, "type", "veth", "peer", "name", "eth0", "netns", str(self.holder.pid))
        ip("link", "set", self.name, "master", "hub", "up")
        self.do("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.do("ip", "link", "set", "eth0", "up")

    def inside(self, *argv, directory="/home/ada"):
        return ["nsenter", "--target", str(self.holder.pid), "--net", "--mount", "--uts", f"--wdns={directory}", "--",
                *map(str, argv)]

    def run(self, *argv, text="", seconds=PATIENCE, environment=None):
        """Run a command to its end, without a terminal: a CompletedProcess of text."""
        return subprocess.run(self.inside(*argv), input=text, capture_output=True, text=True, errors="replace", check=False,
                              timeout=seconds, start_new_session=True, env=self.environment | (environment or {}))

    def do(self, *argv, **options):
        """Run a command that has to succeed: what it wrote."""
        done = self.run(*argv, **options)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(map(str, argv))}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self, *argv, **options):
        """Start what lasts; it ends with the host, and with this process whatever happens."""
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self.inside(*argv)], stdin=subprocess.DEVNULL, env=self.environment, start_new_session=True,
                                   **options)
        self.started.append(process)
        return process

    def type(self, line, answers=(), seconds=PATIENCE):
        """Run a shell's line on a terminal, and answer what it asks. answers: pairs of a question's end and what is typed.
        Gives what the terminal shows and the exit status."""
        pid, terminal = pty.fork()
        if pid == 0:
            argv = self.inside("sh", "-c", line)
            os.execvpe(argv[0], argv, self.environment)
        answers, shown, seen, end = list(answers), b"", 0, time.monotonic() + seconds
        try:
            while True:
                if not select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
                    os.kill(pid, signal.SIGKILL)
                    raise RuntimeError(f"{self.name}: '{line}' does not end: {shown.decode()}")
                try:
                    more = os.read(terminal, 65536)
                except OSError:  # the last one has closed it
                    more = b""
                if not more:
                    break
                shown += more
                at = shown.find(answers[0][0].encode(), seen) if answers else -1
                if at >= 0:
                    seen = at + len(answers[0][0])
                    os.write(terminal, answers.pop(0)[1].encode() + b"\n")
        finally:
            os.close(terminal)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return shown.decode("utf-8", "replace").replace("\r\n", "\n"), status

    def know(self, addresses):
        """What names mean on this host."""
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in addresses.items())]
        self.do("tee", "/etc/hosts", text="\n".join(lines) + "\n")

    def write(self, path, text):
        self.do("tee", path, text=text)

    def wait_for(self, path, words, times=1):
        """Wait until a file of this host has these words so often; gives the file's text."""
        end = time.monotonic() + PATIENCE
        while (text := self.run("cat", path).stdout).count(words) < times:
            if time.monotonic() > end:
                raise AssertionError(f"{self.name}: no '{words}' in {path}: {text}")
            time.sleep(0.05)
        return text

    def close(self):
        for process in reversed(self.started):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()
