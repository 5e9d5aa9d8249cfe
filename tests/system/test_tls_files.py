# SPDX-License-Identifier: MIT
"""Files over TLS as Python's ssl receives them, encrypted by the process and, where it can, by the kernel."""

import hashlib
import os
import pathlib
import socket
import ssl
import subprocess
import tempfile
import unittest

SERVER = pathlib.Path(os.environ["LY_BUILD"], "tests/system/tls_file_server")
SIZE = int(os.environ.get("LY_TLS_FILE_MIB", "8")) << 20
PATIENCE = 60
SUITES = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}


def handed_over():
    """How many connections the kernel encrypts, or has encrypted, in software; None: it has no TLS."""
    try:
        lines = pathlib.Path("/proc/net/tls_stat").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return None
    return int(dict(line.split() for line in lines)["TlsTxSw"])


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.file = tempfile.NamedTemporaryFile()
        block = os.urandom(1 << 20)
        for i in range(SIZE // len(block)):
            cls.file.write(i.to_bytes(8, "big") + block[8:])
        cls.file.write(b"and a piece")
        cls.file.flush()
        cls.file.seek(0)
        cls.wanted = hashlib.sha256(cls.file.read()).hexdigest()

    @classmethod
    def tearDownClass(cls):
        cls.file.close()

    def serve(self, maker):
        server = subprocess.Popen([SERVER, self.file.name, maker], stdout=subprocess.PIPE)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        return int(server.stdout.readline())

    def receive(self, port):
        """What comes, up to the closing message; without one ssl raises. Returns its hash and the cipher."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        digest = hashlib.sha256()
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as plain:
            with context.wrap_socket(plain, suppress_ragged_eofs=False) as s:
                cipher, version, _ = s.cipher()
                self.assertEqual(version, "TLSv1.3")
                while data := s.recv(1 << 16):
                    digest.update(data)
                s.unwrap()  # our closing message
        return digest.hexdigest(), cipher

    def check(self, maker, expected):
        port = self.serve(maker)
        before = handed_over()
        for _ in range(3):
            digest, cipher = self.receive(port)
            self.assertEqual(digest, self.wanted)
            self.assertIn(cipher, SUITES)
        if before is not None:
            self.assertEqual(handed_over() - before, expected)

    def test_encrypted_by_the_process_a_file_and_the_closing_message_arrive(self):
        self.check("process", 0)

    def test_encrypted_by_the_kernel_where_it_can_they_arrive_too(self):
        self.check("kernel", 3)


if __name__ == "__main__":
    unittest.main()
