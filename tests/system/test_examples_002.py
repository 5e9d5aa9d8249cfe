# SPDX-License-Identifier: MIT
"""The programs of tutorial 002 against Python peers."""

import re
import socket

from example_peers import Case, ServerPair, connect, read_exactly, read_to_end


class S15_TcpOnce(Case):
    def test_our_server_confirms_what_it_received_and_ends(self):
        for kind in None, "glue":
            program, port = self.start_server("002_tcp_once_server")
            with connect(self.through(kind, port)) as sock:
                sock.sendall("你好 x".encode())
                self.assertEqual(read_to_end(sock).decode(), "已接收到数据 你好 x")
            self.assertEqual(program.finish(), f"{'你好 x'.encode()}\n")

    def test_our_server_reads_at_most_1024_bytes(self):
        program, port = self.start_server("002_tcp_once_server")
        with connect(port) as sock:
            sock.sendall(b"z" * 1024)
            self.assertEqual(read_to_end(sock), "已接收到数据 ".encode() + b"z" * 1024)
        self.assertEqual(program.finish(), f"{b'z' * 1024}\n")

    def test_a_client_that_leaves_at_once_ends_the_server_without_an_answer(self):
        program, port = self.start_server("002_tcp_once_server")
        connect(port).close()
        self.assertEqual(program.finish(), "")


class S17_S95_S120_Handler(Case, ServerPair):
    server = "002_handler_server"
    through_cut = False  # each recv is answered

    def talk(self, sock, i):
        for text in b"abc", "你好".encode():
            sock.sendall(text)
            self.assertEqual(read_exactly(sock, 9 + len(text)), b"Your msg=" + text)
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(read_to_end(sock), b"Your msg=")

    def check_output(self, output, peers):
        lines = output.splitlines()
        for peer in peers:
            self.assertIn(str(peer), lines)
        self.assertEqual(lines.count("abc"), len(peers))
        if len(peers) == 1:
            self.assertRegex(output, r"\A<ly_request object at 0x[0-9a-f]+>\n" + re.escape(str(peers[0])) +
                             r"\n<socket\.socket fd=\d+, .*, raddr=" + re.escape(str(peers[0])) + r">\nabc\n你好\n\Z")

    def test_a_client_whose_bytes_arrive_one_by_one_gets_an_answer_for_each(self):
        _, port = self.start_server(self.server)
        with connect(self.through("cut", port)) as sock:
            sock.sendall(b"abc")
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(read_to_end(sock).replace(b"Your msg=", b""), b"abc")


class S16_Makefile(Case):
    def exchange(self, sent, kind=None, end=False):
        program, port = self.start_server("002_makefile_server")
        with connect(self.through(kind, port)) as sock:
            sock.sendall(sent)
            if end:
                sock.shutdown(socket.SHUT_WR)
            answer = read_to_end(sock)
        output = program.finish()
        self.doCleanups()
        return answer.decode(), output

    def test_10_characters_are_waited_for_not_10_bytes(self):
        for kind in None, "cut", "glue":
            self.assertEqual(self.exchange("你好, 世界 123456".encode(), kind)[1], "你好, 世界 123\n")
            self.assertEqual(self.exchange("一二三四五六七八九十".encode(), kind),
                             ("Return your msg:一二三四五六七八九十", "一二三四五六七八九十\n"))

    def test_fewer_and_the_end_are_answered_too(self):
        self.assertEqual(self.exchange("你好".encode(), end=True), ("Return your msg:你好", "你好\n"))
        self.assertEqual(self.exchange(b"", end=True), ("Return your msg:", "\n"))

    def test_every_kind_of_line_end_is_read_as_one(self):
        for kind in None, "cut", "glue":
            self.assertEqual(self.exchange(b"ab\r\ncd\r", kind, end=True), ("Return your msg:ab\ncd\n", "ab\ncd\n\n"))

    def test_bytes_that_are_no_text_end_the_message_and_alone_are_an_error(self):
        for sent, answer, status in ((b"ab\xff\xff456789012", b"Return your msg:ab", 0), (b"\xffabcdefghijk", b"", 1)):
            program, port = self.start_server("002_makefile_server")
            with connect(port) as sock:
                sock.sendall(sent)
                self.assertEqual(read_to_end(sock), answer)
            program.finish(status)
