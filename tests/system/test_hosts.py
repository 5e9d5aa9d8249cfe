# SPDX-License-Identifier: MIT
"""Three hosts on a network of namespaces: a server, a client, and somebody between them; and each way in which it fails."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

import hosts
from peer import wait_for_death

PROGRAM = os.environ["LANYARD"]
PASSWORD = "correct horse battery"
WHY_NOT = hosts.why_not()
MIDDLE = pathlib.Path(__file__).with_name("middle.py")


def setUpModule():
    if not WHY_NOT:
        HostsCase.network = hosts.Network(PROGRAM)
        HostsCase.lab, HostsCase.laptop, HostsCase.cafe = map(HostsCase.network.add, ("lab", "laptop", "cafe"))
        HostsCase.prepare()


def tearDownModule():
    if not WHY_NOT:
        HostsCase.network.close()


@unittest.skipIf(WHY_NOT, WHY_NOT)
class HostsCase(unittest.TestCase):
    """lab is served; the laptop's key is ada's there; the cafe is the one in the middle."""

    @classmethod
    def prepare(cls):
        lab = cls.lab
        lab.do("chown", "nobody:nogroup", "/srv")
        lab.do("chmod", "755", "/srv")
        for name, roles, *more in (("ada", "read,write,exec"), ("ben", "read"), ("cy", "read,write", "--bandwidth", "32M")):
            lab.do("lanyard", "user", "add", name, "--roles", roles, "--account", "nobody", "--password-stdin", *more,
                   text=PASSWORD + "\n")
        for host in (cls.laptop, cls.cafe):
            host.write("/run/password", PASSWORD + "\n")
            host.write("/run/wrong", "a guess\n")
        cls.serve()
        code = lab.do("lanyard", "user", "pair", "ada").split()[-1]
        cls.laptop.do("lanyard", "pair", "--code-stdin", "lab", text=code + "\n")
        if shutil.which("testssl"):
            cls.begin_scan()

    @classmethod
    def begin_scan(cls):
        """testssl takes a while, so it runs beside the tests, on a server that none of them ends."""
        cls.lab.start("sh", "-c", "export LANYARD_STATE=/run/scanned; mkdir -m 700 $LANYARD_STATE;"
                      " exec lanyard serve --root /srv --listen tls://0.0.0.0:7444 --exempt 10.77.0.0/24 >/run/scanned.log 2>&1")
        cls.lab.wait_for("/run/scanned.log", "this machine is")
        cls.scan = cls.laptop.start("testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip",
                                    cls.lab.address, "--protocols", "--csvfile", "/run/scan.csv", "lab:7444",
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @classmethod
    def serve(cls, *options):
        lab = cls.lab
        lab.write("/run/log", "")
        cls.server = lab.start("sh", "-c", 'exec lanyard serve --root /srv --listen tls://0.0.0.0 --exempt 10.77.0.0/24 "$@"'
                               " >/run/log 2>&1", "sh", *options)
        lab.wait_for("/run/log", "this machine is")

    @classmethod
    def stop(cls, number=signal.SIGTERM):
        cls.server.send_signal(number)
        cls.server.wait(hosts.PATIENCE)

    def lanyard(self, *arguments, host=None, status=0, words="", **options):
        """Run it on the laptop; gives its output."""
        done = (host or self.laptop).run("lanyard", *arguments, **options)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertIn(words, done.stderr)
        self.assertNotIn("Sanitizer", done.stderr)
        return done.stdout

    def relay(self, how, *arguments):
        """A relay on the cafe that the laptop takes for lab."""
        self.cafe.write("/run/relay", "")
        relay = self.cafe.start("sh", "-c", 'exec "$@" >/run/relay 2>&1', "sh", sys.executable, MIDDLE, how, self.lab.address,
                                *arguments)
        self.addCleanup(relay.wait)
        self.addCleanup(relay.terminate)
        self.cafe.wait_for("/run/relay", "listening")
        self.laptop.know({"lab": self.cafe.address})
        self.addCleanup(self.laptop.know, {"lab": self.lab.address})
        return relay


class Between(HostsCase):
    def test_a_relay_that_passes_bytes_on_changes_nothing(self):
        self.relay("pass")
        self.assertEqual(self.lanyard("exec", "--batch", "lab", "--", "echo", "hi"), "hi\n")
        self.lanyard("exec", "--batch", "--password-file", "/run/password", "ben@lab", "--", "id", status=255, words="role")

    def test_a_relay_that_ends_tls_has_another_key_and_gets_nothing(self):
        self.relay("terminate")
        for arguments in (("exec", "lab", "--", "id"), ("exec", "--password-file", "/run/password", "ada@lab", "--", "id")):
            self.lanyard(*arguments, status=255, words="HAS ANOTHER KEY THAN BEFORE; nothing was sent to it")
        self.assertNotIn("passed", self.cafe.do("cat", "/run/relay"))

    def test_a_login_through_a_relay_that_ends_tls_fails_even_if_it_is_trusted(self):
        self.relay("terminate")
        host = self.laptop
        done = host.run("lanyard", "ls", "--accept-new", "--password-file", "/run/password", "ada@lab:",
                        environment={"LANYARD_STATE": "/run/fresh"})
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("somebody stands between", done.stderr)
        self.assertIn("passed", self.cafe.do("cat", "/run/relay"))
        self.assertEqual(done.stdout, "")

    def test_a_pairing_through_a_relay_that_ends_tls_fails(self):
        self.relay("terminate")
        code = self.lab.do("lanyard", "user", "pair", "ada").split()[-1]
        before = self.lab.do("lanyard", "devices", "--json")
        done = self.laptop.run("lanyard", "pair", "--accept-new", "--code-stdin", "lab", text=code + "\n",
                               environment={"LANYARD_STATE": "/run/fresh2"})
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.lab.do("lanyard", "devices", "--json"), before)

    def test_a_relay_that_cuts_is_noticed(self):
        self.lab.do("sh", "-c", "head -c 3000000 /dev/urandom > /srv/large")
        self.relay("cut", "500000")
        done = self.laptop.run("lanyard", "get", "lab:large", "cut")
        self.assertNotEqual(done.returncode, 0)
        self.assertNotEqual(done.stderr, "")
        self.assertFalse(self.laptop.run("ls", "cut").stdout)
        done = self.laptop.run("lanyard", "exec", "lab", "--", "head", "-c", "3000000", "/dev/zero")
        self.assertEqual(done.returncode, 255)
        self.assertLess(len(done.stdout), 3000000)


class Failures(HostsCase):
    def test_no_route(self):
        self.lanyard("exec", "--connect-timeout", "2", "10.99.0.1", "--", "id", status=255, words="10.99.0.1:7433")

    def test_a_host_that_is_off(self):
        self.lanyard("exec", "--connect-timeout", "500ms", "10.77.0.77", "--", "id", status=255, words="cannot connect")

    def test_a_port_where_nothing_listens(self):
        self.lanyard("exec", "lab:7", "--", "id", status=255, words="nothing listens there")

    def test_a_name_that_is_none(self):
        self.lanyard("exec", "nowhere", "--", "id", status=255, words="nowhere")

    def test_a_wrong_password(self):
        self.lanyard("exec", "--password-file", "/run/wrong", "ben@lab", "--", "id", status=255, words="login as ben has failed")

    def test_a_missing_role(self):
        self.lanyard("exec", "--password-file", "/run/password", "ben@lab", "--", "id", status=255, words="do not have the role")

    def test_a_stranger(self):
        self.lanyard("exec", "--batch", "lab", "--", "id", host=self.cafe, status=255, words="is not known here")

    def foreign(self, *command, ready=None):
        """A server on the cafe that is none of ours."""
        server = self.cafe.start("sh", "-c", 'exec "$@" >/run/foreign 2>&1', "sh", *command)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        self.cafe.wait_for("/run/foreign", ready)

    SPEAKER = """import socket, sys
s = socket.create_server(("0.0.0.0", int(sys.argv[1])))
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.sendall(sys.argv[2].encode() + bytes((13, 10)))
    while c.recv(4096):
        pass
    c.close()
"""

    def test_a_port_of_ssh_smtp_and_http(self):
        for port, banner, name in (("22", "SSH-2.0-OpenSSH_9.2p1 Debian", "SSH"), ("25", "220 mail ESMTP", "SMTP or FTP"),
                                   ("80", "HTTP/1.1 400 Bad Request", "HTTP"), ("110", "something", None)):
            self.cafe.write("/run/foreign", "")
            self.foreign(sys.executable, "-c", self.SPEAKER, port, banner, ready="ready")
            self.lanyard("exec", f"{self.cafe.address}:{port}", "--", "id", status=255, words="does not speak TLS" + (f" (it speaks {name})" if name else "\n"))

    def test_a_real_http_server(self):
        self.cafe.write("/run/foreign", "")
        self.foreign(sys.executable, "-u", "-m", "http.server", "8080", ready="Serving")
        self.lanyard("exec", f"{self.cafe.address}:8080", "--", "id", status=255, words="does not speak TLS (it speaks HTTP)")

    def https(self, *options):
        self.cafe.do("sh", "-c", "test -e /run/s.key || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
                     " -subj /CN=x -days 1 -keyout /run/s.key -out /run/s.crt")
        self.cafe.write("/run/foreign", "")
        self.foreign("openssl", "s_server", "-www", "-accept", "443", "-key", "/run/s.key", "-cert", "/run/s.crt", *options, ready="ACCEPT")

    def test_an_https_server(self):
        self.https("-tls1_3")
        self.lanyard("exec", "--batch", f"{self.cafe.address}:443", "--", "id", status=255, words="is not known here")
        self.lanyard("exec", "--connect-timeout", "5", "--accept-new", f"{self.cafe.address}:443", "--", "id", status=255, words=f"{self.cafe.address}:443: ",
                     environment={"LANYARD_STATE": "/run/fresh3"})

    def test_an_https_server_without_tls_1_3(self):
        self.https("-tls1_2")
        self.lanyard("exec", f"{self.cafe.address}:443", "--", "id", status=255, words=f"cannot connect to {self.cafe.address}:443: it speaks no TLS 1.3")

    @unittest.skipUnless(shutil.which("testssl"), "there is no testssl")
    def test_only_tls_1_3_is_spoken_to_testssl_too(self):
        self.scan.wait(5 * hosts.PATIENCE)
        rows = [line.split('","') for line in self.laptop.do("cat", "/run/scan.csv").splitlines()]
        found = {row[0].strip('"'): row[4] for row in rows if len(row) > 4}
        versions = ("SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2")
        self.assertEqual({name: found.get(name) for name in versions}, dict.fromkeys(versions, "not offered"), rows)
        self.assertEqual(found.get("TLS1_3"), "offered with final", rows)

    @unittest.skipUnless(shutil.which("sslscan"), "there is no sslscan")
    def test_only_tls_1_3_is_spoken(self):
        text = re.sub(r"\x1b\[[0-9;]*m", "", self.laptop.do("sslscan", "--no-colour", "--no-check-certificate", "lab:7433"))
        found = dict(re.findall(r"^(SSLv\d|TLSv1\.\d)\s+(enabled|disabled)$", text, re.MULTILINE))
        self.assertEqual(found, {"SSLv2": "disabled", "SSLv3": "disabled", "TLSv1.0": "disabled", "TLSv1.1": "disabled",
                                 "TLSv1.2": "disabled", "TLSv1.3": "enabled"}, text)
        self.assertNotRegex(text, r"vulnerable to heartbleed(?<!not vulnerable to heartbleed)")
        self.assertEqual(set(re.findall(r"(TLSv1\.\d)\s+\d+ bits", text)), {"TLSv1.3"})


class Ends(HostsCase):
    """A server that is killed in the middle. Files come and go slowly, so that there is a middle."""

    SLOWLY = ("-q", "--password-file", "/run/password")

    def tearDown(self):
        self.stop()
        self.serve()

    def kill_during(self, *arguments, until):
        for host in (self.lab, self.laptop):
            host.do("touch", "/run/hosts/mark")
        client = subprocess.Popen(self.laptop.inside("lanyard", *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, env=self.laptop.environment, start_new_session=True)
        self.addCleanup(client.kill)
        until(client)
        self.server.kill()
        self.server.wait()
        out, err = client.communicate(timeout=hosts.PATIENCE)
        self.assertNotEqual(client.returncode, 0)
        self.assertNotEqual(err, b"")
        return out, err

    def test_during_an_exec(self):
        found = []
        self.kill_during("exec", "lab", "--", "sh", "-c", "echo $$; exec sleep 600",
                         until=lambda client: found.append(int(client.stdout.readline())))
        wait_for_death(found[0])

    def test_during_a_get(self):
        self.lab.do("sh", "-c", "head -c 1000000000 /dev/zero > /srv/huge")
        self.addCleanup(self.lab.do, "rm", "/srv/huge")
        self.kill_during("get", *self.SLOWLY, "cy@lab:huge", "arrived",
                         until=lambda _: self.wait_until_growing(self.laptop, "/home/ada"))
        self.assertEqual(self.laptop.run("find", "/home/ada", "-name", "arrived").stdout, "")

    def test_during_a_put(self):
        self.laptop.do("sh", "-c", "head -c 1000000000 /dev/zero > /home/ada/huge")
        self.addCleanup(self.laptop.do, "rm", "/home/ada/huge")
        self.kill_during("put", *self.SLOWLY, "huge", "cy@lab:sent", until=lambda _: self.wait_until_growing(self.lab, "/srv"))
        self.assertEqual(self.lab.run("find", "/srv", "-name", "sent").stdout, "")

    def wait_until_growing(self, host, folder):
        """Until there is a hidden or partial file with something in it, of less than its final size."""
        end = time.monotonic() + hosts.PATIENCE
        while not host.run("find", folder, "-type", "f", "-size", "+3M", "-size", "-900M", "-newer", "/run/hosts/mark").stdout:
            self.assertLess(time.monotonic(), end, "nothing arrives")


if __name__ == "__main__":
    unittest.main()
