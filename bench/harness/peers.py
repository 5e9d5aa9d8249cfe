# SPDX-License-Identifier: MIT
"""The programs that ours is measured against, each set up in the temporary directory: nothing of the system's is read or
changed, and each listens on a loopback port of its own."""
import getpass
import os
import pwd
import shutil
import subprocess

from .processes import LOAD_CPU, SERVER_CPU, Absent, Process, free_port, wait_for, wait_for_port

# On this cipher both ends have hardware; it is ssh's fastest.
CIPHER = "aes128-gcm@openssh.com"


def tool(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise Absent(f"{name} is not installed")
    return path


def _write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


class Rsync:
    """rsync's daemon with the module `m` on a directory; no delta transfer, since the files are new."""

    def __init__(self, context, stack, root):
        self.program = tool("rsync")
        port = free_port()
        config = _write(context.fresh() / "rsyncd.conf",
                        f"use chroot = no\nread only = no\nuid = {getpass.getuser()}\ngid = {os.getgid()}\n"
                        f"reverse lookup = no\n[m]\npath = {root}\n")
        self.url = f"rsync://127.0.0.1:{port}/m/"
        server = stack.enter_context(Process(
            [self.program, "--daemon", "--no-detach", f"--config={config}", f"--port={port}", "--address=127.0.0.1",
             "--log-file=/dev/null"], SERVER_CPU))
        wait_for_port(port, server)

    def get(self, source, destination):
        return [self.program, "-a", "--whole-file", self.url + source, destination]

    def put(self, source, destination):
        return [self.program, "-a", "--whole-file", source, self.url + destination]


class Nginx:
    """One nginx process with sendfile, and curl."""

    def __init__(self, context, stack, root):
        self.curl = tool("curl")
        port, folder = free_port(), context.fresh()
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = _write(folder / "nginx.conf", f"""
            daemon off; master_process off; pid {folder}/pid; error_log /dev/null;
            events {{ worker_connections 64; }}
            http {{ access_log off; sendfile on; tcp_nopush on; {temporary}
                server {{ listen 127.0.0.1:{port}; root {root}; }} }}""")
        self.url = f"http://127.0.0.1:{port}/"
        server = stack.enter_context(Process(
            [tool("nginx"), "-p", folder, "-c", config, "-e", "/dev/null"], SERVER_CPU))
        wait_for_port(port, server)

    def get(self, source, destination):
        return [self.curl, "-s", "-S", "-f", "-o", destination, self.url + source]


def certificate(context):
    """Files of a self-signed certificate and its key, on P-256."""
    if not hasattr(context, "certificate"):
        folder = context.fresh()
        subprocess.run([tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=bench", "-days", "2", "-keyout", folder / "key", "-out", folder / "certificate"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        context.certificate = folder / "certificate", folder / "key"
    return context.certificate


class NginxTls:
    """One nginx process on TLS 1.3 with AES-128-GCM, its tickets on; and curl. Records are as large as TLS has them."""

    def __init__(self, context, stack, root):
        self.curl = tool("curl")
        self.port, folder = free_port(), context.fresh()
        chain, key = certificate(context)
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = _write(folder / "nginx.conf", f"""
            daemon off; master_process off; pid {folder}/pid; error_log /dev/null;
            events {{ worker_connections 64; }}
            http {{ access_log off; sendfile on; tcp_nopush on; output_buffers 2 512k; {temporary}
                ssl_protocols TLSv1.3; ssl_certificate {chain}; ssl_certificate_key {key}; ssl_buffer_size 16k;
                ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; ssl_session_cache off; ssl_session_tickets on;
                server {{ listen 127.0.0.1:{self.port} ssl; root {root}; location = / {{ return 200 "ok"; }} }} }}""")
        self.url = f"https://127.0.0.1:{self.port}/"
        server = stack.enter_context(Process(
            [tool("nginx"), "-p", folder, "-c", config, "-e", "/dev/null"], SERVER_CPU))
        self.pid = server.pid
        wait_for_port(self.port, server)

    def get(self, source, destination):
        return [self.curl, "-s", "-S", "-f", "-k", "--tls13-ciphers", "TLS_AES_128_GCM_SHA256", "-o", destination,
                self.url + source]


def _key(program, path, *arguments):
    subprocess.run([tool(program), *arguments, path], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return path


def with_home(home):
    """A command prefix that runs a server where this user's home is `home`, so that neither the start-up files of the real
    one cost time nor its keys are needed: /etc/passwd with one entry changed, seen by this process alone. Needs root."""
    if os.getuid() != 0:
        raise Absent("needs root, to give the server a home directory of its own")
    home.mkdir(mode=0o700)
    user = pwd.getpwuid(0)
    with open("/etc/passwd", encoding="utf-8") as lines:
        text = "".join(f"{user.pw_name}:x:0:{user.pw_gid}::{home}:{user.pw_shell}\n" if l.startswith(user.pw_name + ":") else l
                       for l in lines)
    table = _write(home / "passwd", text, 0o644)
    inside = 'mount --bind "$1" /etc/passwd && shift && exec "$@"'
    return [tool("unshare"), "--mount", "--propagation", "private", "sh", "-c", inside, "sh", table]


class Sshd:
    """OpenSSH with keys of its own; scp, ssh with a fresh connection each time, and ssh over one that is kept."""

    def __init__(self, context, stack):
        port, folder = free_port(), context.fresh()
        sshd, self.scp_program, self.ssh_program = tool("sshd"), tool("scp"), tool("ssh")
        for name in ("host", "user"):
            _key("ssh-keygen", folder / name, "-q", "-t", "ed25519", "-N", "", "-f")
        _write(folder / "authorized", (folder / "user.pub").read_text())
        config = _write(folder / "sshd_config", f"""
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin yes
MaxStartups 100
LogLevel QUIET
Subsystem sftp internal-sftp
""")
        self.client = _write(folder / "ssh_config", f"""
Host bench
HostName 127.0.0.1
Port {port}
User {getpass.getuser()}
IdentityFile {folder}/user
IdentitiesOnly yes
UserKnownHostsFile {folder}/known
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking no
BatchMode yes
LogLevel ERROR
Ciphers {CIPHER}
""")
        self._separation_directory(stack)
        home = with_home(folder / "home") if os.getuid() == 0 else []
        server = stack.enter_context(
            Process([*home, sshd, "-D", "-e", "-f", config], SERVER_CPU, stderr=subprocess.DEVNULL))
        wait_for_port(port, server)
        self.port, self.folder = port, folder

    @staticmethod
    def _separation_directory(stack):
        """Debian's sshd wants this directory, which its service makes at start; it goes again if we made it."""
        if os.getuid() == 0 and not os.path.exists("/run/sshd"):
            os.mkdir("/run/sshd", 0o755)
            stack.callback(os.rmdir, "/run/sshd")

    def get(self, source, destination):
        return [self.scp_program, "-q", "-r", "-F", self.client, f"bench:{source}", destination]

    def put(self, source, destination):
        return [self.scp_program, "-q", "-r", "-F", self.client, source, f"bench:{destination}"]

    def exec(self, *command):
        return [self.ssh_program, "-F", self.client, "bench", *command]

    def keep_connection(self, context, stack):
        """Open one connection that later ones go through; returns what exec would."""
        path = context.sockets / f"cm{context.unique()}"
        master = stack.enter_context(Process(
            [self.ssh_program, "-F", self.client, "-M", "-N", "-S", path, "bench"], LOAD_CPU))
        wait_for(path.exists, master, "waited for its control socket")
        return lambda *command: [self.ssh_program, "-F", self.client, "-S", path, "bench", *command]


class RsyncSsh(Sshd):
    """rsync over ssh."""

    def get(self, source, destination):
        end = "/" if source.is_dir() else ""
        return [tool("rsync"), "-a", "--whole-file", "-e", f"{self.ssh_program} -F {self.client}", f"bench:{source}{end}",
                f"{destination}{end}"]


class TarSsh(Sshd):
    """tar at both ends of ssh."""

    def get(self, source, destination):
        return ["sh", "-c", f"mkdir '{destination}' && {self.ssh_program} -F {self.client} bench tar -C '{source}' -cf - . |"
                            f" tar -C '{destination}' -xf -"]


class Dropbear:
    """Dropbear takes the keys in the user's ~/.ssh/authorized_keys and nowhere else."""

    def __init__(self, context, stack):
        self.client, server = tool("dbclient"), tool("dropbear")
        port, folder = free_port(), context.fresh()
        home = with_home(folder / "home")
        for name in ("host", "user"):
            _key("dropbearkey", folder / name, "-t", "ed25519", "-f")
        public = subprocess.run([tool("dropbearkey"), "-y", "-f", folder / "user"], check=True, capture_output=True,
                                text=True).stdout
        (folder / "home/.ssh").mkdir(mode=0o700)
        keys = [line for line in public.splitlines() if line.startswith("ssh-")]
        _write(folder / "home/.ssh/authorized_keys", "\n".join(keys) + "\n")
        process = stack.enter_context(Process(
            [*home, server, "-F", "-E", "-p", f"127.0.0.1:{port}", "-r", folder / "host", "-P", folder / "pid"],
            SERVER_CPU, stderr=subprocess.DEVNULL))
        wait_for_port(port, process)
        self.port, self.folder = port, folder

    def exec(self, *command):
        return [self.client, "-y", "-y", "-i", self.folder / "user", "-p", self.port,
                f"{getpass.getuser()}@127.0.0.1", *command]
