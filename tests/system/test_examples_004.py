# SPDX-License-Identifier: MIT
"""The programs of tutorial 004 against Python peers."""

import hashlib
import hmac
import json
import pathlib
import queue
import tempfile

from example_peers import PATIENCE, Case, ServerPair, connect, crowd, read_exactly, read_to_end

KEY = "天王盖地虎".encode()


def md5_answer(key, challenge):
    return hashlib.md5(key + challenge).hexdigest().encode()


def hmac_answer(key, challenge):
    return hmac.new(key, challenge, "md5").digest()


class Challenge:
    """Mixed into a Case for each of the two pairs."""

    server = client = None
    digest = None
    length = 0

    def ask(self, port, key):
        with connect(port) as sock:
            challenge = read_exactly(sock, 10)
            sock.sendall(type(self).digest(key, challenge))
            self.assertEqual(read_to_end(sock), b"")
        return challenge

    def test_our_server_lets_a_python_client_with_the_key_in(self):
        challenges = set()
        for kind in None, "cut", "glue":
            program, port = self.start_server(self.server)
            challenges.add(self.ask(self.through(kind, port), KEY))
            self.assertEqual(program.finish(), "你好机油!\n")
        self.assertEqual(len(challenges), 3)

    def test_our_server_refuses_another_key(self):
        for key in b"", KEY[:-1], KEY + b"x":
            program, port = self.start_server(self.server)
            self.ask(port, key)
            self.assertEqual(program.finish(), "你根本不是老司机\n")

    def test_S116_the_key_is_an_argument(self):
        program, port = self.start_server(self.server, "小鸡炖蘑菇")
        self.ask(port, "小鸡炖蘑菇".encode())
        self.assertEqual(program.finish(), "你好机油!\n")

    def test_a_client_that_leaves_within_its_answer_is_refused(self):
        program, port = self.start_server(self.server)
        with connect(port) as sock:
            read_exactly(sock, 10)
            sock.sendall(b"x")
        self.assertEqual(program.finish(1), "你根本不是老司机\n")

    def test_our_client_answers_a_python_server(self):
        for kind in None, "cut", "glue":
            answers = []

            def ask(connection):
                connection.sendall(b"0123456789")
                answers.append(read_to_end(connection))

            port = self.through(kind, self.serve(ask))
            self.assertEqual(self.run_client(self.client, port), "")
            self.doCleanups()
            self.assertEqual(answers, [type(self).digest(KEY, b"0123456789")])
            self.assertEqual(len(answers[0]), self.length)

    def test_both_ours(self):
        for key, verdict in ("天王盖地虎", "你好机油!\n"), ("宝塔镇河妖", "你根本不是老司机\n"):
            program, port = self.start_server(self.server)
            self.run_client(self.client, port, "", key)
            self.assertEqual(program.finish(), verdict)


class S29_S115_Md5Challenge(Challenge, Case):
    server = "004_md5_challenge_server"
    client = "004_md5_challenge_client"
    digest = md5_answer
    length = 32


class S30_S114_HmacChallenge(Challenge, Case):
    server = "004_hmac_challenge_server"
    client = "004_hmac_challenge_client"
    digest = hmac_answer
    length = 16


class S31_SocketserverRecv(Case, ServerPair):
    server = "004_socketserver_recv"
    through_cut = False  # one recv is the message

    def talk(self, sock, i):
        sock.sendall(f"你好 {i}".encode())
        self.assertEqual(read_to_end(sock), b"")

    def check_output(self, output, peers):
        self.assertEqual(sorted(output.splitlines()), sorted(f"你好 {i}" for i in range(len(peers))))

    def test_a_client_whose_bytes_arrive_one_by_one_leaves_its_first(self):
        program, port = self.start_server(self.server)
        with connect(self.through("cut", port)) as sock:
            sock.sendall(b"a")
            self.assertEqual(read_to_end(sock), b"")
        self.assertEqual(program.stop(), "a\n")


def login(name, password):
    return json.dumps({"username": name, "passwd": password}).encode()


def line(name, password):
    return f"{name} | {hashlib.md5((name + password).encode()).hexdigest()}\n"


class S32_S113_LoginServer(Case, ServerPair):
    server = "004_login_server"

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = pathlib.Path(self.folder.name) / "info"
        self.file.write_text(line("旭哥", "123") + "\nnonsense\n" + line("😀 ü", "p\"}{\\"), encoding="utf-8")
        self.server_arguments = (self.file,)

    def talk(self, sock, i):
        for name, password, answer in (("旭哥", "123", b"success!"), ("旭哥", "124", b"failed!"),
                                       ("😀 ü", "p\"}{\\", b"success!"), ("旭哥", "", b"failed!")):
            sock.sendall(login(name, password))
            self.assertEqual(read_exactly(sock, len(answer)), answer)
        sock.sendall(login("nobody", "x") + login("旭哥", "123"))
        self.assertEqual(read_exactly(sock, 8), b"success!")

    def check_output(self, output, peers):
        self.assertEqual(output, "用户不存在!\n" * len(peers))

    def test_requests_in_one_packet_are_each_answered(self):
        _, port = self.start_server(self.server, self.file)
        with connect(port) as sock:
            sock.sendall(login("旭哥", "123") + b" \n" + login("旭哥", "x") + login("旭哥", "123"))
            self.assertEqual(read_exactly(sock, 23), b"success!failed!success!")

    def test_any_order_spacing_and_escapes_are_read(self):
        _, port = self.start_server(self.server, self.file)
        with connect(port) as sock:
            sock.sendall('{"passwd":"123" ,\n"x":[{}], "username":"旭哥"}'.encode())
            self.assertEqual(read_exactly(sock, 8), b"success!")
            sock.sendall(b'{"username": "\\u65ed\\u54e5", "passwd": "\\u0031\\u0032\\u0033"}')
            self.assertEqual(read_exactly(sock, 8), b"success!")

    def test_what_is_no_login_ends_its_connection_alone(self):
        program, port = self.start_server(self.server, self.file)
        for bad in (b"hello", b"[]", b"}", b"{}", b'{"username": "x"}', b'{"username": 1, "passwd": "x"}', b"{{}}",
                    b'{"username": "\xff", "passwd": ""}', b"{" * 5000, b'{"username": "' + b"x" * 5000):
            with self.subTest(bad=bad[:40]), connect(port) as sock:
                sock.sendall(bad)
                try:
                    self.assertEqual(read_to_end(sock), b"")
                except ConnectionResetError:
                    pass
        with connect(port) as sock:
            self.talk(sock, 0)
        program.stop()

    def test_a_missing_file_is_an_error_of_the_connection(self):
        program, port = self.start_server(self.server, self.file.parent / "none")
        for _ in range(2):
            with connect(port) as sock:
                sock.sendall(login("旭哥", "123"))
                self.assertEqual(read_to_end(sock), b"")
        self.assertIn(b"ENOENT", program.err.wait_for(lambda data: data.count(b"ENOENT") == 2, "two reports"))
        program.stop()

    def test_100_users_after_the_file_has_changed(self):
        """It is read anew each time, as in the tutorial."""
        _, port = self.start_server(self.server, self.file)
        self.file.write_text("".join(line(f"u{i}", f"p{i}") for i in range(100)), encoding="utf-8")

        def one(i):
            with connect(port) as sock:
                sock.sendall(login(f"u{i}", f"p{i}"))
                self.assertEqual(read_exactly(sock, 8), b"success!")

        crowd(one)


class S33_S112_LoginClient(Case):
    typed = "旭哥\n123\n😀 \"x\\\n\tp\n"
    requests = (login("旭哥", "123"), login("😀 \"x\\", "p"))

    def test_our_client_and_a_python_server(self):
        self.assertEqual(self.requests[0], b'{"username": "\\u65ed\\u54e5", "passwd": "123"}')
        self.assertIn(b"\\ud83d\\ude00", self.requests[1])

        def answer(connection):
            for request, verdict in zip(self.requests, (b"success!", b"failed!")):
                self.assertEqual(read_exactly(connection, len(request)), request)
                connection.sendall(verdict)

        for kind in None, "cut", "glue":
            port = self.through(kind, self.serve(answer))
            self.assertEqual(self.run_client("004_login_client", port, self.typed, PATIENCE),
                             "用户名>>>密码>>>b'success!'\n用户名>>>密码>>>b'failed!'\n用户名>>>")

    def test_100_of_our_clients_and_a_python_server_at_once(self):
        def answer(connection):
            while name := json.loads(connection.recv(1024) or b"{}").get("username"):
                connection.sendall(b"success!" if name == "旭哥" else b"failed!")

        port = self.serve(answer)

        def one(_):
            self.assertEqual(self.run_client("004_login_client", port, "旭哥\n123\nx\n1\n", PATIENCE),
                             "用户名>>>密码>>>b'success!'\n用户名>>>密码>>>b'failed!'\n用户名>>>")

        crowd(one)

    def test_our_client_goes_on_when_there_is_no_answer(self):
        self.assertEqual(self.run_impatient_client("004_login_client", "用户名>>>", "nobody\nx\n", "旭哥\n123\n", b"success!"),
                         ("用户名>>>密码>>>用户名>>>密码>>>b'success!'\n用户名>>>", login("nobody", "x") + self.requests[0]))

    def test_both_ours(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "info"
            file.write_text(line("旭哥", "123"), encoding="utf-8")
            program, port = self.start_server("004_login_server", file)
            self.assertEqual(self.run_client("004_login_client", port, "旭哥\n123\n旭哥\n1234\n", PATIENCE),
                             "用户名>>>密码>>>b'success!'\n用户名>>>密码>>>b'failed!'\n用户名>>>")
            program.stop()


class S34_SendallEquivalent(Case):
    def test_both_ways_send_the_same(self):
        for kind in None, "cut", "glue":
            received = queue.Queue()
            port = self.through(kind, self.serve(lambda connection: received.put(read_to_end(connection))))
            self.assertEqual(self.run_client("004_sendall_equiv_client", port), "")
            self.assertEqual(received.get(timeout=PATIENCE), b"Hello world\n" * 2)
