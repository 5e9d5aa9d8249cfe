# SPDX-License-Identifier: MIT
"""What others were caught by, and no other test is about: docs/security.md has the whole list, and where the rest is tested."""

import io
import json
import pathlib
import socket
import struct
import tarfile
import unittest

from peer import PATIENCE, Connection, Server, cli, status_number
from test_network import PASSWORD, NetworkServer
from tls_peer import Closed, Tls, scram


def frame(header):
    text = json.dumps(header).encode()
    return struct.pack("<i", len(text)) + text


def until_end(s):
    s.settimeout(PATIENCE)
    data = b""
    try:
        while piece := s.recv(4096):
            data += piece
    except ConnectionResetError:
        pass
    return data


class Files(unittest.TestCase):
    """What arrives is taken as it is."""

    def test_an_archive_with_names_that_lead_out_stays_an_archive(self):
        """croc#594."""
        server = Server().ready()
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        whole = io.BytesIO()
        with tarfile.open(fileobj=whole, mode="w:gz") as archive:
            for name in ("../escaped", "/tmp/ly-escaped", "inside"):
                entry = tarfile.TarInfo(name)
                entry.size = 4
                archive.addfile(entry, io.BytesIO(b"evil"))
        source = server.folder / "a.tar.gz"
        source.write_bytes(whole.getvalue())
        done = cli("put", str(source), f"{server.address}:")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([p.name for p in server.root.iterdir()], ["a.tar.gz"])
        self.assertEqual((server.root / "a.tar.gz").read_bytes(), whole.getvalue())
        self.assertFalse((server.folder / "escaped").exists() or pathlib.Path("/tmp/ly-escaped").exists())


    def test_names_are_decoded_once(self):
        """copyparty, CVE-2023-37474."""
        server = Server().ready()
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        with Connection(server.address) as connection:
            for path in ("%2e%2e", "%2Fetc", "a%00b", "..%2f", "%252e%252e", "&#46;&#46;", "\\u002e\\u002e"):
                self.assertTrue(connection.ask({"cmd": "mkdir", "id": 1, "path": path})["ok"], path)
                self.assertTrue((server.root / path).is_dir())
            for path in ("%2e%2e/log", "%2Fetc/passwd", "..%2f/log", "%252e%252e/log"):
                self.assertEqual(connection.ask({"cmd": "stat", "id": 1, "path": path})["error"], "ENOENT")


class Pages(unittest.TestCase):
    """cockpit#496, cli-agent-orchestrator#533, transmission#468: a page in a browser of this machine reaches every port of it, by
    foreign origins or by names that lead here. What it can send is HTTP, whose body it chooses."""

    def test_no_request_of_a_page_is_one_of_ours(self):
        server = Server("--listen", "tcp://127.0.0.1:0", "--insecure-loopback", listen=False)
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        port = int(server.wait_for("tcp://127.0.0.1:").split("tcp://127.0.0.1:")[1].split()[0].rstrip('"'))
        marker = server.root / "made"
        wanted = frame({"cmd": "exec", "id": 1, "argv": ["touch", str(marker)]})
        for head in (b"POST / HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\nContent-Length: 999\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as s:
                s.sendall(head + wanted)
                self.assertNotIn(b"started", until_end(s))
        self.assertFalse(marker.exists())
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as s:
            s.sendall(wanted)  # the same without its head
            s.shutdown(socket.SHUT_WR)
            self.assertIn(b"started", until_end(s))


class Network(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = NetworkServer("--log-level", "debug", "--exempt", "127.0.0.0/8").ready()
        cls.server.add_user("ann", "read")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()

    def test_a_proxys_header_is_not_believed(self):
        """rsync, CVE-2026-53791."""
        for header in (b"PROXY TCP4 192.0.2.77 192.0.2.78 1 2\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x4d\xc0\0\x02\x4e\0\x01\0\x02"):
            with socket.create_connection(("127.0.0.1", self.server.port), PATIENCE) as s:
                s.sendall(header)
                s.shutdown(socket.SHUT_WR)
                until_end(s)
        self.assertNotIn("192.0.2.7", self.server.log.read_text())
        self.assertNotIn("192.0.2.7", cli("audit", "--json", env=self.server.environment).stdout.decode())

    def test_a_length_that_a_stranger_chooses_takes_no_memory(self):
        """rsync, CVE-2026-70455."""
        before = [status_number(pid, "VmRSS") for pid in self.server.workers()]
        for length in (0x7fffffff, -1, -0x80000000, 1 << 28):
            connection = Tls(self.server.port)
            self.addCleanup(connection.close)
            connection.send(struct.pack("<i", length) + b"{")
            with self.assertRaises(Closed):
                while True:
                    connection.receive(1)
        for pid, kib in zip(self.server.workers(), before):
            self.assertLess(status_number(pid, "VmRSS"), kib + 65536)

    def test_no_secret_is_logged_or_returned(self):
        """ttyd: tokens that were returned, and logged when they failed."""
        code = cli("user", "pair", "ann", env=self.server.environment).stdout.decode().split()[-1]
        said = []
        for name, password in (("ann", PASSWORD), ("ann", PASSWORD + "x"), ("pair/" + code[:4], code[5:].replace("-", ""))):
            connection = Tls(self.server.port)
            self.addCleanup(connection.close)
            ask = connection.ask
            connection.ask = lambda header, ask=ask: said.append(header["data"]) or ask(header)
            answer = scram(connection, name, password)
            self.assertNotIn(PASSWORD, json.dumps(answer))
        proofs = [text.split("p=")[-1] for text in said if text.startswith("c=")]
        self.assertEqual(len(proofs), 3)
        text = self.server.log.read_text() + cli("audit", "--json", env=self.server.environment).stdout.decode()
        self.assertIn("ann", text)
        for secret in (PASSWORD, code[5:], code[5:].replace("-", ""), *proofs):
            self.assertNotIn(secret, text)


if __name__ == "__main__":
    unittest.main()
