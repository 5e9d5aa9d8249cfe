# SPDX-License-Identifier: MIT
"""HTTP, ours and others': http_server with Python's http.client, curl and raw sockets; http_client with Python's
http.server and with answers that are none."""

import base64
import hashlib
import http.client
import http.server
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest
import urllib.parse
import urllib.request

from example_peers import PATIENCE, Case, connect, crowd, read_to_end

CURL = shutil.which("curl")
HELLO = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class Site(Case):
    """A folder, and a server over it."""

    policy = "fibers"

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.picture = os.urandom(3_000_000)
        (self.folder / "picture.png").write_bytes(self.picture)
        (self.folder / "empty").write_bytes(b"")
        (self.folder / "sub").mkdir()
        (self.folder / "sub" / "a b.txt").write_text("blank")
        (self.folder / "link").symlink_to("/etc/passwd")
        self.server = self.start("http_server", "tcp://127.0.0.1:0", self.folder, self.policy)
        self.port = self.server.port()

    def tearDown(self):
        if self.server.process.poll() is None:
            self.server.stop()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def connection(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def raw(self, data):
        """Send the bytes on a connection of their own; everything that comes until its end."""
        with connect(self.port) as sock:
            sock.sendall(data)
            return read_to_end(sock)


def ask(connection, method, path, body=None, headers=None, **options):
    connection.request(method, path, body=body, headers=headers or {}, **options)
    response = connection.getresponse()
    return response.status, response.read(), response


class StandardLibrary(Site):
    def test_S100_S103_one_connection_of_http_client_serves_many_requests(self):
        connection = self.connection()
        connection.connect()
        sock = connection.sock
        for i in range(30):
            status, body, response = ask(connection, "GET", f"/hello?name={i}+%2B")
            self.assertEqual((status, body), (200, f"hello, {i} +\n".encode()))
            self.assertEqual(response.version, 11)
            self.assertRegex(response.headers["Date"], r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")
            self.assertIs(connection.sock, sock)

    def test_S101_each_method(self):
        connection = self.connection()
        expected = {"GET": 200, "HEAD": 200, "POST": 200, "PUT": 405, "DELETE": 405, "TRACE": 405, "OPTIONS": 204,
                    "BREW": 501}
        for method, status in expected.items():
            got, body, response = ask(connection, method, "/hello", b"name=x" if method == "POST" else None)
            self.assertEqual(got, status, method)
            if method == "HEAD":
                self.assertEqual((body, response.headers["Content-Length"]), (b"", "13"))

    def test_S102_what_urllib_encodes_is_decoded(self):
        for name in ["Ann", "a b&c=d+e%", "中文", "\x7f~", ""]:
            form = urllib.parse.urlencode({"x": "1", "name": name})
            for request in (urllib.request.Request(self.url("/hello?" + form)),
                            urllib.request.Request(self.url("/hello"), data=form.encode())):
                with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                    self.assertEqual(answer.read().decode(), f"hello, {name}\n")

    def test_S103_S14_files_come_as_they_are_and_missing_ones_end_nothing(self):
        connection = self.connection()
        for path, content in [("/files/picture.png", self.picture), ("/files/empty", b""),
                              ("/files/sub/a%20b.txt", b"blank"), ("/files/./sub//../sub/a%20b.txt", b"blank")]:
            self.assertEqual(ask(connection, "GET", path)[:2], (200, content))
        for path in ["/files/none", "/files/", "/files/sub", "/files/link", "/files"]:
            self.assertEqual(ask(connection, "GET", path)[:2], (404, b"404 Not Found\n"), path)
        for path in ["/files/../../etc/passwd", "/files/%2e%2e/x/%2e%2e/%2e%2e/y", "/files/a%2fb", "/files/%00"]:
            self.assertEqual(ask(self.connection(), "GET", path)[0], 400, path)

    def test_S104_the_statuses_of_protection_and_failure(self):
        connection = self.connection()
        status, _, response = ask(connection, "GET", "/private")
        self.assertEqual((status, response.headers["WWW-Authenticate"]),
                         (401, 'Basic realm="example", charset="UTF-8"'))
        right = {"Authorization": "Basic " + base64.b64encode(b"user:secret").decode()}
        wrong = {"Authorization": "Basic " + base64.b64encode(b"user:Secret").decode()}
        self.assertEqual(ask(connection, "GET", "/private", headers=wrong)[0], 401)
        self.assertEqual(ask(connection, "GET", "/private", headers=right)[:2], (200, b"you are in\n"))
        self.assertEqual(ask(connection, "GET", "/broken")[0], 500)
        self.server.err.wait_for(lambda data: b"EIO" in data, "the report of the failure")
        self.assertEqual(ask(connection, "GET", "/hello")[0], 200)

    def test_S103_a_long_body_in_chunks_comes_back(self):
        connection = self.connection()
        pieces = [self.picture[i:i + 70_001] for i in range(0, len(self.picture), 70_001)]
        for _ in range(2):
            status, body, response = ask(connection, "PUT", "/echo", iter(pieces), encode_chunked=True,
                                         headers={"Transfer-Encoding": "chunked"})
            self.assertEqual((status, hashlib.sha256(body).digest()),
                             (200, hashlib.sha256(self.picture).digest()))
            self.assertEqual(response.headers["Transfer-Encoding"], "chunked")

    def test_S105_a_hundred_clients_keep_their_connections(self):
        def client(i):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            for j in range(10):
                assert ask(connection, "GET", f"/hello?name={i}-{j}")[1] == f"hello, {i}-{j}\n".encode()
            connection.close()

        crowd(client)

    def test_S106_each_exchange_is_a_line_of_the_log(self):
        self.assertIn(b" 200 ", self.raw(HELLO))
        self.raw(b"\x1b]0;owned\x07\r\n\r\n")
        self.server.wait_for('"GET /hello" 200 13\n')
        self.server.wait_for('" " 400 16\n')


class Raw(Site):
    def test_S105_pipelined_requests_are_answered_in_order(self):
        data = b"".join(b"GET /hello?name=%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(200)) + HELLO
        answer = self.raw(data)
        positions = [answer.index(b"hello, %d\n" % i) for i in range(200)]
        self.assertEqual(positions, sorted(positions))
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK\r\n"), 201)

    def test_S100_any_cut_gives_the_same_answer(self):
        body = urllib.parse.urlencode({"name": "Ann"}).encode()
        request = (b"POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n" + body[:3] +
                   b"\r\n%x;a=\"b\"\r\n" % (len(body) - 3) + body[3:] + b"\r\n0\r\nX: y\r\n\r\n" + HELLO)
        for kind in (None, "cut", "glue"):
            with connect(self.through(kind, self.port)) as sock:
                sock.sendall(request)
                answer = read_to_end(sock)
            self.assertEqual(answer.count(b"HTTP/1.1 200 OK\r\n"), 2, kind)
            self.assertLess(answer.index(b"hello, Ann\n"), answer.index(b"hello, world\n"))

    def test_S100_nothing_is_smuggled(self):
        """Whatever these are taken for, what stands behind them is no second request: one refusal, then the end."""
        post = b"POST /hello HTTP/1.1\r\nHost: a\r\n"
        vectors = {
            "length and chunks": post + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
            "chunks and length": post + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
            "two lengths": post + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
            "two equal lengths": post + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
            "list of lengths": post + b"Content-Length: 0, 0\r\n\r\n",
            "signed length": post + b"Content-Length: +0\r\n\r\n",
            "hexadecimal length": post + b"Content-Length: 0x0\r\n\r\n",
            "length with a blank": post + b"Content-Length : 44\r\n\r\n",
            "length with bare CR": post + b"Content-Length: 0\rX: y\r\n\r\n",
            "coding with a blank": post + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            "coding with a tab": post + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
            "coding with a vertical tab": post + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
            "coding, folded": post + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
            "field, folded": post + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "xchunked": post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            "chunked twice": post + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
            "chunked and identity": post + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
            "identity": post + b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
            "two codings": post + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
            "coding, quoted": post + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
            "HTTP/1.0 and chunks": b"POST /hello HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "bare LF": post + b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "bare LF at the end": post + b"Content-Length: 44\n\n",
            "NUL in a name": post + b"Content\0-Length: 44\r\n\r\n",
            "NUL in a value": post + b"Content-Length: 0\0\r\n\r\n",
            "no name": post + b": 44\r\n\r\n",
            "no colon": post + b"Content-Length 44\r\n\r\n",
            "two hosts": post + b"Host: b\r\n\r\n",
            "blank before a field": b"POST /hello HTTP/1.1\r\n Host: a\r\n\r\n",
            "chunk with LF": post + b"Transfer-Encoding: chunked\r\n\r\n0\n\n",
            "chunk with a sign": post + b"Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n",
            "chunk with 0x": post + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
            "chunk with a blank": post + b"Transfer-Encoding: chunked\r\n\r\n0 \r\n\r\n",
            "chunk that wraps": post + b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n",
            "chunk longer than it says": post + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
            "extension with LF": post + b"Transfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n",
            "extension with CR": post + b"Transfer-Encoding: chunked\r\n\r\n0;a\rb\r\n\r\n",
            "trailer with a length": post + b"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 44\r\n\r\n",
            "trailer, folded": post + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n z\r\n\r\n",
        }
        for name, vector in vectors.items():
            with self.subTest(name):
                answer = self.raw(vector + HELLO)
                self.assertRegex(answer, rb"^HTTP/1\.1 (400|501) ")
                self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)
                self.assertIn(b"\r\nConnection: close\r\n", answer)

    def test_S105_slow_clients_do_not_block_others(self):
        slow = [connect(self.port) for _ in range(50)]
        for sock in slow:
            sock.sendall(HELLO[:30])
        for _ in range(5):
            self.assertIn(b"hello, world", self.raw(HELLO))
        for sock in slow:
            sock.sendall(HELLO[30:])
            self.assertIn(b"hello, world", read_to_end(sock))
            sock.close()

    def test_S105_a_reader_that_stops_does_not_block_others(self):
        with connect(self.port) as sock:
            sock.sendall(b"GET /files/picture.png HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            for _ in range(5):
                self.assertIn(b"hello, world", self.raw(HELLO))
            answer = read_to_end(sock)
        self.assertTrue(answer.endswith(self.picture[-1000:]))

    def test_S105_old_clients_get_the_end_of_the_connection(self):
        answer = self.raw(b"GET /hello HTTP/1.0\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"\r\n\r\nhello, world\n"))
        answer = self.raw(b"PUT /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello")
        self.assertNotIn(b"Transfer-Encoding", answer)
        self.assertTrue(answer.endswith(b"\r\n\r\nhello"))

    def test_S100_a_refusal_is_read_although_more_is_sent(self):
        with connect(self.port) as sock:
            sock.sendall(b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + self.picture[:500_000])
            answer = read_to_end(sock)
        self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer[:100])


class ThreadingRaw(Raw):
    policy = "threading"


class ForkingLibrary(StandardLibrary):
    policy = "forking"


@unittest.skipIf(CURL is None, "there is no curl")
class Curl(Site):
    def curl(self, *arguments):
        return subprocess.run([CURL, "-sS", "--max-time", str(PATIENCE), *arguments], capture_output=True, check=True,
                              timeout=PATIENCE * 2).stdout

    def test_S102_S103_forms_files_and_heads(self):
        self.assertEqual(self.curl("-G", "--data-urlencode", "name=a b&c", self.url("/hello")), b"hello, a b&c\n")
        self.assertEqual(self.curl("--data-urlencode", "name=中", self.url("/hello")), "hello, 中\n".encode())
        self.assertEqual(self.curl(self.url("/files/picture.png")), self.picture)
        self.assertIn(b"Content-Length: 3000000\r\n", self.curl("-I", self.url("/files/picture.png")))
        self.assertEqual(self.curl("-0", self.url("/hello")), b"hello, world\n")

    def test_S105_one_connection_for_many(self):
        out = self.curl("-w", "%{num_connects}", *(self.url(f"/hello?name={i}") for i in range(5)))
        self.assertEqual(out, b"hello, 0\n1" + b"".join(b"hello, %d\n0" % i for i in range(1, 5)))

    def test_S105_a_large_upload_waits_for_100(self):
        source = str(self.folder / "picture.png")
        shown = subprocess.run([CURL, "-sSv", "-T", source, self.url("/echo")], capture_output=True, check=True,
                               timeout=PATIENCE)
        self.assertEqual(shown.stdout, self.picture)
        self.assertIn(b"< HTTP/1.1 100 Continue", shown.stderr)
        self.assertEqual(self.curl("-T", source, "-H", "Transfer-Encoding: chunked", self.url("/echo")), self.picture)

    def test_S104_credentials(self):
        status = ("-o", "/dev/null", "-w", "%{http_code}")
        self.assertEqual(self.curl(*status, self.url("/private")), b"401")
        self.assertEqual(self.curl(*status, "-u", "user:wrong", self.url("/private")), b"401")
        self.assertEqual(self.curl("--anyauth", "-u", "user:secret", self.url("/private")), b"you are in\n")

    def test_S106_over_a_unix_socket(self):
        path = self.folder / "s"
        server = self.start("http_server", f"unix:{path}", self.folder)
        server.err.wait_for(lambda data: b"listening on unix:" in data, "'listening on'")
        self.assertEqual(self.curl("--unix-socket", str(path), "http://localhost/hello"), b"hello, world\n")
        server.stop()


class Client(Case):
    """http_client with Python's server, and with bytes that are no answer."""

    def ask(self, port, target="/", status=0):
        return self.start("http_client", f"tcp://127.0.0.1:{port}", target).finish(status)

    def python_server(self, protocol, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = protocol
            do_GET = answer

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server.server_address[1]

    def test_S100_it_reads_what_pythons_server_sends(self):
        def by_length(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", "5")
            handler.end_headers()
            handler.wfile.write(b"hello")

        def by_chunks(handler):
            handler.send_response(200)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            handler.wfile.write(b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX: y\r\n\r\n")

        def by_end(handler):
            handler.send_response_only(100)
            handler.end_headers()
            handler.send_response(200)
            handler.end_headers()
            handler.wfile.write(b"hello")

        self.assertEqual(self.ask(self.python_server("HTTP/1.1", by_length)), "hello")
        self.assertEqual(self.ask(self.python_server("HTTP/1.1", by_chunks)), "hello")
        self.assertEqual(self.ask(self.python_server("HTTP/1.0", by_end)), "hello")

    def test_S104_a_status_is_its_result(self):
        port = self.python_server("HTTP/1.1", lambda handler: handler.send_error(404))
        self.assertIn("Nothing matches", self.ask(port, "/none", status=1))

    def test_S100_what_is_no_answer_is_an_error(self):
        for answer in [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
                       b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
                       b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"]:
            def serve(sock, answer=answer):
                while b"\r\n\r\n" not in sock.recv(65536):
                    pass
                sock.sendall(answer)
                sock.shutdown(socket.SHUT_WR)
                read_to_end(sock)

            self.ask(self.serve(serve), status=1)


if __name__ == "__main__":
    unittest.main()
