# SPDX-License-Identifier: MIT
"""The programs of tutorial 001 against Python peers."""

import pathlib
import re
import signal
import socket
import struct
import tempfile

from example_peers import PATIENCE, Case, ServerPair, connect, crowd, read_exactly, read_to_end


class S9_Chat(Case):
    def test_our_server_reads_5_bytes_a_turn_and_answers_from_its_input(self):
        program, port = self.start_server("001_chat_server")
        program.wait_for("waiting for connect...\n")
        with connect(port) as sock:
            program.wait_for(f"connect from {sock.getsockname()}\n")
            sock.sendall(b"hello world")
            for turn in "hello", " worl", "d":
                program.wait_for(f"{turn}\n服务端消息>")
                program.type(f"答 {turn}\n")
                self.assertEqual(read_exactly(sock, len(f"答 {turn}".encode())).decode(), f"答 {turn}")
        with connect(port) as sock:
            program.wait_for("connect from", 2)
            sock.sendall(b"x")
            program.wait_for("x\n服务端消息>")
            program.end_input()
            self.assertEqual(read_to_end(sock), b"")
        output = program.finish()
        self.assertEqual(output.count("waiting for connect...\n"), 2)
        self.assertTrue(output.endswith("x\n服务端消息>"))

    def test_a_character_that_5_bytes_cut_appears_when_it_is_whole(self):
        program, port = self.start_server("001_chat_server")
        with connect(port) as sock:
            sock.sendall("你好吗".encode())
            program.type("1\n2\n")
            self.assertEqual(read_exactly(sock, 2), b"12")
        program.wait_for("你\n服务端消息>好吗\n服务端消息>")

    def test_bytes_that_are_no_text_are_shown_and_not_the_end(self):
        program, port = self.start_server("001_chat_server")
        program.type("1\n2\n3\n")
        with connect(port) as sock:
            for sent in b"\xff\x1b[2J", b"\xe4\xe4\xe4\xe4\xe4", b"ok":
                sock.sendall(sent)
                read_exactly(sock, 1)
        program.wait_for("\\xff\\x1b[2J\n服务端消息>\\xe4\\xe4\\xe4\\xe4\n服务端消息>\\xe4ok\n服务端消息>")

    def test_our_server_outlives_a_client_that_resets(self):
        program, port = self.start_server("001_chat_server")
        with connect(port) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        program.wait_for("waiting for connect...\n", 2)

    def test_100_clients_after_each_other(self):
        program, port = self.start_server("001_chat_server")
        program.type("".join(f"{i}\n" for i in range(100)))

        def one(_):
            with connect(port) as sock:
                sock.sendall(b"x")
                self.assertRegex(sock.recv(1024), rb"\A\d+\Z")

        crowd(one)

    def test_our_client_and_a_python_server(self):
        def answer(connection):
            for wanted in "你好".encode(), b" b ":
                connection.sendall(b"re " + read_exactly(connection, len(wanted)))
            self.assertEqual(connection.recv(1), b"")
        for kind in None, "glue":
            port = self.through(kind, self.serve(answer))
            self.assertEqual(self.run_client("001_chat_client", port, "你好\n b \n\nnever\n"),
                             "客户端消息>re 你好\n客户端消息>re  b \n客户端消息>")

    def test_both_ours(self):
        program, port = self.start_server("001_chat_server")
        program.type("一\n二\n")
        self.assertEqual(self.run_client("001_chat_client", port, "a\nb\n\n"), "客户端消息>一\n客户端消息>二\n客户端消息>")


CTIME = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"


class S10_S11_S117_UdpCtime(Case):
    def test_our_server_answers_with_its_time_and_the_senders_address(self):
        program, port = self.start_server("001_udp_ctime_server")
        sock = self.datagrams(port)
        for data in b"abc", b"", "你好".encode():
            sock.send(data)
            peer = re.escape(str(sock.getsockname()))
            self.assertRegex(sock.recv(1024).decode(), rf"\A{CTIME} 接收到 {peer} 的消息\Z")
        program.stop()

    def test_our_server_and_100_python_clients_at_once(self):
        _, port = self.start_server("001_udp_ctime_server")

        def one(_):
            sock = self.datagrams(port)
            sock.send(b"x")
            self.assertIn(str(sock.getsockname()), sock.recv(1024).decode())

        crowd(one)

    def test_our_client_and_a_python_server(self):
        port = self.serve_datagrams(lambda data, _: b"re " + data)
        self.assertEqual(self.run_client("001_udp_client", port, "abc\n你好\n\nnever\n", PATIENCE),
                         "发往服务端数据>>从服务端收到: re abc\n发往服务端数据>>从服务端收到: re 你好\n发往服务端数据>>")

    def test_both_ours(self):
        _, port = self.start_server("001_udp_ctime_server")
        self.assertRegex(self.run_client("001_udp_client", port, "abc\n\n", PATIENCE),
                         rf"\A发往服务端数据>>从服务端收到: {CTIME} 接收到 \('127.0.0.1', \d+\) 的消息\n发往服务端数据>>\Z")

    def test_both_want_their_arguments(self):
        for name in "001_udp_ctime_server", "001_udp_client":
            self.start(name).finish(2)
            self.start(name, "127.0.0.1").finish(2)


class S12_S13_S71_Broadcast(Case):
    def receiver(self):
        program = self.start("001_broadcast_recv", "127.255.255.255", 0)
        return program, program.port()

    def hear_answers(self, host, port, times):
        """The sender calls until it has heard so many: an answer that is late is heard by a later call."""
        sender = self.start("001_broadcast_send", host, port, 0, "0.1")
        line = f"从('127.0.0.1', {port})接收到:I am here\n"
        sender.wait_for(line, times)
        sender.process.terminate()
        self.assertEqual(sender.finish(-signal.SIGTERM).replace(line, ""), "")

    def test_our_sender_and_receiver_find_each_other_by_broadcast(self):
        receiver, port = self.receiver()
        self.hear_answers("127.255.255.255", port, 2)
        self.assertRegex(receiver.stop(), r"\A(从\('127\.0\.0\.1', \d+\)获取信息:坚决拥护张大大\n){2,}\Z")

    def test_our_receiver_answers_a_python_sender(self):
        receiver, port = self.receiver()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(60)
            self.assertRaises(PermissionError, sock.sendto, b"x", ("127.255.255.255", port))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.sendto("坚决拥护张大大".encode(), ("127.255.255.255", port))
            self.assertEqual(sock.recvfrom(1024), (b"I am here", ("127.0.0.1", port)))
        receiver.stop()

    def test_our_receiver_and_100_python_senders_at_once(self):
        receiver, port = self.receiver()

        def one(_):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(60)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                sock.sendto(b"x", ("127.255.255.255", port))
                self.assertEqual(sock.recv(1024), b"I am here")

        crowd(one)
        receiver.stop()

    def test_our_sender_calls_a_python_receiver_in_21_bytes(self):
        heard = []

        def answer(data, sender):
            heard.append(data)
            return b"I am here"

        self.hear_answers("127.0.0.1", self.serve_datagrams(answer), 3)
        self.doCleanups()
        self.assertGreaterEqual(len(heard), 3)
        self.assertEqual(set(heard), {"坚决拥护张大大".encode()})
        self.assertEqual(len(heard[0]), 21)

    def test_our_sender_goes_on_without_an_answer(self):
        heard = []
        port = self.serve_datagrams(lambda data, _: heard.append(data))
        self.assertEqual(self.start("001_broadcast_send", "127.0.0.1", port, 2, "0.05").finish(), "")
        self.doCleanups()
        self.assertEqual(len(heard), 2)


class S14_Http(Case, ServerPair):
    server = "001_http_server"
    through_cut = False  # the first recv is the request

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = pathlib.Path(self.folder.name) / "django.html"
        self.file.write_bytes("<h1>你好</h1>\n".encode() + bytes(range(256)) * 1000)
        self.server_arguments = (self.file,)

    def talk(self, sock, i):
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(read_to_end(sock), b"HTTP/1.1 200 ok\r\n\r\n" + self.file.read_bytes())

    def check_output(self, output, peers):
        expected = "b'GET / HTTP/1.1'\nb'Host: x'\nb''\nHTTP/1.1 200 ok\n任务完成\n"
        if len(peers) == 1:
            self.assertEqual(output, expected)
        self.assertEqual(sorted(output.splitlines()), sorted((expected * len(peers)).splitlines()))

    def test_a_missing_file_is_answered_by_404_and_not_the_end(self):
        program, port = self.start_server(self.server, self.file.parent / "none")
        for _ in range(2):
            with connect(port) as sock:
                sock.sendall(b"GET")
                self.assertEqual(read_to_end(sock), b"HTTP/1.1 404 not found\r\n\r\n=====sorry,file not find")
        self.assertEqual(program.stop(), "b'GET'\nHTTP/1.1 404 not found\n任务完成\n" * 2)

    def test_a_directory_and_an_empty_file_are_answered_too(self):
        empty = self.file.parent / "empty"
        empty.touch()
        for file, expected in ((empty, b"HTTP/1.1 200 ok\r\n\r\n"),
                               (self.file.parent, b"HTTP/1.1 404 not found\r\n\r\n=====sorry,file not find")):
            _, port = self.start_server(self.server, file)
            with connect(port) as sock:
                sock.sendall(b"GET")
                self.assertEqual(read_to_end(sock), expected)

    def test_the_literal_form_has_a_blank_for_each_line_end(self):
        _, port = self.start_server(self.server, self.file, "literal")
        with connect(port) as sock:
            sock.sendall(b"GET")
            self.assertEqual(read_to_end(sock), b"HTTP/1.1 200 ok  " + self.file.read_bytes())
