# SPDX-License-Identifier: MIT
"""TLS, ours and others': tls_echo_server and tls_echo_client with Python's ssl and with openssl s_client and s_server."""

import contextlib
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

from example_peers import PATIENCE, Case, connect, read_exactly, read_to_end

OPENSSL = shutil.which("openssl")
MUCH = os.urandom(3_000_000)


def make_certificate(folder, name, days=30):
    """A key and a certificate for localhost that signs itself; their paths."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run([OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days),
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out",
                    certificate], check=True, capture_output=True, timeout=PATIENCE)
    return certificate, key


def speaks(*versions):
    """How a client with these versions of the protocol trusts whom it meets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if versions:
        context.minimum_version, context.maximum_version = versions
    return context


@unittest.skipUnless(OPENSSL, "openssl makes the certificates")
class Keys(Case):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.certificate, self.key = make_certificate(self.folder, "own")


class OurServer(Keys):
    def setUp(self):
        super().setUp()
        self.server = self.start("tls_echo_server", "tls://127.0.0.1:0", self.certificate, self.key)
        self.port = self.server.port()
        self.addCleanup(self.end_server)  # after the connections, which were made later

    def end_server(self):
        if self.server.process.poll() is None:
            self.server.stop()

    def call(self, context=None, session=None):
        context = context or ssl.create_default_context(cafile=self.certificate)
        sock = context.wrap_socket(connect(self.port), server_hostname="localhost", session=session)
        self.addCleanup(sock.close)
        return sock

    def test_python_talks_with_it_and_checks_it(self):
        sock = self.call()
        self.assertEqual(sock.version(), "TLSv1.3")
        sock.sendall(b"hello")
        self.assertEqual(read_exactly(sock, 5), b"hello")
        for start in range(0, len(MUCH), 60_000):  # in turns: Python's object is not for two threads at once
            piece = MUCH[start:start + 60_000]
            sock.sendall(piece)
            self.assertEqual(read_exactly(sock, len(piece)), piece)

    def test_python_sees_an_orderly_end(self):
        sock = self.call()
        sock.sendall(b"x")
        self.assertEqual(read_exactly(sock, 1), b"x")
        plain = sock.unwrap()  # raises unless the server's closing message comes
        self.assertEqual(plain.recv(1), b"")

    def test_python_resumes_its_session(self):
        context = ssl.create_default_context(cafile=self.certificate)
        session = None
        for turn in range(3):
            sock = self.call(context, session)
            sock.sendall(b"x")
            self.assertEqual(read_exactly(sock, 1), b"x")
            self.assertEqual(sock.session_reused, turn > 0)
            session = sock.session
            sock.close()

    def test_older_versions_are_refused(self):
        for version in ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2:
            with self.assertRaises(ssl.SSLError), contextlib.suppress(ConnectionResetError):
                self.call(speaks(ssl.TLSVersion.MINIMUM_SUPPORTED, version))
        self.server.err.wait_for(lambda data: b"\nTLS: unsupported protocol\n" in data, "the report of why")
        self.call(speaks(ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3))

    def test_a_cut_is_reported_and_an_end_is_not(self):
        sock = self.call()
        sock.sendall(b"x")
        self.assertEqual(read_exactly(sock, 1), b"x")
        os.close(sock.detach())  # no closing message
        self.server.err.wait_for(lambda data: b"LY_ECUT" in data, "the report of a cut")
        sock = self.call()
        sock.sendall(b"x")
        self.assertEqual(read_exactly(sock, 1), b"x")
        sock.unwrap()
        self.server.stop()
        self.assertEqual(self.server.err.data.count(b" failed in "), 1)

    def test_rubbish_in_every_place_of_a_handshake_ends_that_connection_alone(self):
        """A client's first bytes, recorded, with one of them changed or with the rest left out."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            speaks().wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
        hello = outgoing.read()
        for place in range(0, len(hello), 3):
            for bytes_sent in hello[:place], hello[:place] + bytes([hello[place] ^ 0x55]) + hello[place + 1:]:
                with connect(self.port) as sock:
                    sock.sendall(bytes_sent)
                    sock.shutdown(socket.SHUT_WR)
                    with contextlib.suppress(ConnectionResetError):
                        read_to_end(sock)
        sock = self.call()
        sock.sendall(b"still there")
        self.assertEqual(read_exactly(sock, 11), b"still there")

    def test_a_record_that_was_changed_on_its_way_ends_the_connection(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = speaks().wrap_bio(incoming, outgoing, server_hostname="localhost")
        with connect(self.port) as sock:
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    incoming.write(sock.recv(65536))
            sock.sendall(outgoing.read())
            client.write(b"hello")
            record = bytearray(outgoing.read())
            record[-1] ^= 1
            sock.sendall(record)
            read_to_end(sock)
        self.server.err.wait_for(lambda data: b"LY_ETLS" in data, "the report of a bad record")

    def test_s_client_talks_with_it(self):
        client = subprocess.Popen([OPENSSL, "s_client", "-connect", f"127.0.0.1:{self.port}", "-CAfile", self.certificate,
                                   "-verify_return_error", "-verify_hostname", "localhost", "-quiet", "-no_ign_eof"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(client.wait, PATIENCE)
        with client.stdin, client.stdout:
            client.stdin.write(b"hello\n")
            client.stdin.flush()
            self.assertEqual(client.stdout.read(6), b"hello\n")
            client.stdin.close()
            self.assertEqual(client.stdout.read(), b"")
        self.assertEqual(client.wait(PATIENCE), 0)


class TheirServer(Keys):
    """Our client; the server is Python's."""

    def setUp(self):
        super().setUp()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.port = self.listener.getsockname()[1]

    def serve_once(self, talk, certificate=None, key=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate or self.certificate, key or self.key)

        def run():
            plain, _ = self.listener.accept()
            plain.settimeout(PATIENCE)
            with contextlib.suppress(OSError), plain:
                talk(plain, context)
        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join, PATIENCE)

    def call(self, text, trusted=None, host="127.0.0.1"):
        program = self.start("tls_echo_client", f"tls://{host}:{self.port}", trusted or self.certificate)
        program.type(text)
        program.end_input()
        return program

    def test_it_talks_with_python(self):
        def talk(plain, context):
            with context.wrap_socket(plain, server_side=True) as sock:
                sock.sendall(read_exactly(sock, 6))
                read_to_end(sock)
        for host in "127.0.0.1", "localhost":
            self.serve_once(talk)
            self.assertEqual(self.call("hello\n", host=host).finish(), "hello\n")

    def test_it_refuses_a_stranger_and_says_why(self):
        other, other_key = make_certificate(self.folder, "other")
        self.serve_once(lambda plain, context: context.wrap_socket(plain, server_side=True), other, other_key)
        program = self.call("hello\n")
        self.assertEqual(program.finish(1), "")
        self.assertIn(b"self-signed certificate", program.err.data)

    def test_it_tells_that_the_server_cut(self):
        def talk(plain, context):
            sock = context.wrap_socket(plain, server_side=True)
            read_exactly(sock, 6)
            os.close(sock.detach())
        self.serve_once(talk)
        program = self.call("hello\n")
        program.finish(1)
        self.assertIn(b"cut", program.err.data)

    def test_it_refuses_older_versions(self):
        def talk(plain, context):
            context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_2
            context.wrap_socket(plain, server_side=True)
        self.serve_once(talk)
        program = self.call("hello\n")
        program.finish(1)
        self.assertIn(b"protocol version", program.err.data)


class OurServerWithRsa(OurServer):
    """Keys of other kinds than our own."""

    def setUp(self):
        Keys.setUp(self)
        subprocess.run([OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost", "-keyout", self.key, "-out", self.certificate], check=True,
                       capture_output=True, timeout=PATIENCE)
        self.server = self.start("tls_echo_server", "tls://127.0.0.1:0", self.certificate, self.key)
        self.port = self.server.port()
        self.addCleanup(self.end_server)


if __name__ == "__main__":
    unittest.main()
