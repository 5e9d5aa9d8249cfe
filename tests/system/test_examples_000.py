# SPDX-License-Identifier: MIT
"""The programs of tutorial 000 against Python peers."""

import json
import socket
import struct
import subprocess

from example_peers import (PATIENCE, UTF8, Case, ClientPair, ServerPair, connect, crowd, pack, read_exactly, read_int,
                           read_to_end)


def upper_until_end(connection):
    while data := connection.recv(1024):
        connection.sendall(data.upper())


def shell(command):
    return subprocess.run(command, shell=True, capture_output=True, stdin=subprocess.DEVNULL, check=False, env=UTF8)


def framed_shell(connection):
    """The tutorial's server, in its four sends."""
    while command := connection.recv(1024):
        result = shell(command)
        header = json.dumps({"total_size": len(result.stdout) + len(result.stderr)}).encode()
        for piece in (pack(len(header)), header, result.stdout, result.stderr):
            connection.sendall(piece)


class S1_TcpOnce(Case):
    def test_our_server_answers_in_upper_case_prints_the_client_and_its_bytes_and_ends(self):
        for kind in None, "glue":
            program, port = self.start_server("000_tcp_once_server")
            with connect(self.through(kind, port)) as sock:
                sock.sendall(b"hello")
                self.assertEqual(read_to_end(sock), b"HELLO")
                expected = f"{sock.getsockname()}\nb'hello'\n" if kind is None else None
            output = program.finish()
            self.assertEqual(output, expected or output)

    def test_our_client_prints_what_a_python_server_answers(self):
        for kind in None, "cut", "glue":
            port = self.through(kind, self.serve(upper_until_end))
            self.assertEqual(self.run_client("000_tcp_once_client", port), "HELLO\n")

    def test_both_ours(self):
        program, port = self.start_server("000_tcp_once_server")
        self.assertEqual(self.run_client("000_tcp_once_client", port), "HELLO\n")
        self.assertRegex(program.finish(), r"\A\('127\.0\.0\.1', \d+\)\nb'hello'\n\Z")

    def test_a_client_that_leaves_at_once_ends_the_server_without_an_answer(self):
        program, port = self.start_server("000_tcp_once_server")
        connect(port).close()
        self.assertRegex(program.finish(), r"\A\('127\.0\.0\.1', \d+\)\n\Z")


class S2_TcpEcho(Case, ServerPair, ClientPair):
    server = "000_tcp_echo_server"
    client = "000_tcp_echo_client"
    typed = "abc\n\n  你好 x \n" + "z" * 3000 + "\n"
    printed = ">>>:ABC\n>>>:>>>:你好 X\n>>>:" + "Z" * 3000 + "\n>>>:"
    answer = staticmethod(upper_until_end)

    def talk(self, sock, i):
        for text in b"abc", "你好 x".encode(), b"it's \"quoted\"\\\n", b"m" * (30 if i else 3000), str(i).encode():
            sock.sendall(text)
            self.assertEqual(read_exactly(sock, len(text)), text.upper())

    def check_output(self, output, peers):
        lines = output.splitlines()
        for peer in peers:
            self.assertIn(str(peer), lines)
        if len(peers) == 1:
            self.assertEqual(lines[1:4], [str(text) for text in (b"abc", "你好 x".encode(), b"it's \"quoted\"\\\n")])
        self.assertEqual(lines.count("b'abc'"), len(peers))

    def test_both_ours(self):
        _, port = self.start_server(self.server)
        self.assertEqual(self.run_client(self.client, port, "abc\n\n你好 x\n"), ">>>:ABC\n>>>:>>>:你好 X\n>>>:")

    def test_it_serves_ipv6_and_names_and_prints_addresses_as_python_does(self):
        for host, family in ("::1", socket.AF_INET6), ("localhost", None):
            program = self.start(self.server, host, 0)
            port = program.port()
            with socket.create_connection((host, port), 60) as sock:
                sock.sendall(b"abc")
                self.assertEqual(read_exactly(sock, 3), b"ABC")
                if family is None or sock.family == family:
                    program.wait_for(f"{sock.getsockname()}\n")
            output = self.start(self.client, host, port)
            output.type("m\n")
            output.end_input()
            self.assertEqual(output.finish(), ">>>:M\n>>>:")

    def test_bytes_are_printed_as_python_prints_them(self):
        program, port = self.start_server(self.server)
        messages = [bytes(range(0, 256)), b"it's", b'say "it\'s"', b'"', b"\\", b"\t\r\n\0", b"\x7f\x80"]
        with connect(port) as sock:
            for message in messages:
                sock.sendall(message)
                self.assertEqual(read_exactly(sock, len(message)), message.upper())
        self.assertEqual(program.stop().splitlines()[1:], [str(message) for message in messages])


class S7_S99_SocketserverTcp(Case, ServerPair, ClientPair):
    server = "000_socketserver_tcp"
    client = "000_socketserver_tcp_client"
    typed = "m0\nm1\n"
    printed = ">>>: M0\n>>>: M1\n>>>: "
    answer = staticmethod(upper_until_end)

    def talk(self, sock, i):
        for text in f"m{i}".encode(), b"x" * (20 if i else 2000):
            sock.sendall(text)
            self.assertEqual(read_exactly(sock, len(text)), text.upper())

    def test_three_clients_are_served_at_once(self):
        _, port = self.start_server(self.server)
        socks = [connect(port) for _ in range(3)]
        for sock in reversed(socks):
            self.talk(sock, 0)
        for sock in socks:
            self.talk(sock, 1)
            sock.close()


class S3_RawShell(Case, ServerPair, ClientPair):
    server = "000_remote_shell_raw_server"
    client = "000_remote_shell_raw_client"
    client_arguments = (PATIENCE,)
    typed = "echo hi\n\nseq 1 400\ntrue\n"
    seq = "".join(f"{i}\n" for i in range(1, 401))
    printed = ">>>:hi\n\n>>>:>>>:" + seq[:1024] + "\n>>>:" + seq[1024:] + "\n>>>:"
    through_cut = False

    @staticmethod
    def answer(connection):
        while command := connection.recv(1024):
            result = shell(command)
            connection.sendall(result.stdout + result.stderr)

    def talk(self, sock, i):
        for command in "echo hi", f"echo {i}; echo err >&2; echo out", "seq 1 400", "nosuchcommand":
            result = shell(command)
            sock.sendall(command.encode())
            answer = result.stdout + result.stderr
            self.assertEqual(read_exactly(sock, len(answer)), answer)

    def check_output(self, output, peers):
        self.assertEqual(sorted(output.splitlines()), sorted(map(str, peers)))

    def test_a_command_without_output_is_not_answered(self):
        _, port = self.start_server(self.server)
        with connect(port) as sock:
            sock.sendall(b"true\n")  # with a border, should the next come in the same packet
            sock.sendall(b"echo hi")
            self.assertEqual(sock.recv(1024), b"hi\n")

    def test_a_command_without_output_does_not_hold_the_client_for_ever(self):
        self.assertEqual(self.run_impatient_client(self.client, ">>>:", "true\n", "echo hi\n", b"hi\n"),
                         (">>>:>>>:hi\n\n>>>:", b"trueecho hi"))

    def test_S109_10_commands_at_once_with_more_errors_than_a_pipe_holds(self):
        """Read one after the other, the outputs would stand still."""
        _, port = self.start_server(self.server)

        def one(_):
            with connect(port) as sock:
                sock.sendall(b"head -c 100000 /dev/zero >&2; head -c 100000 /dev/zero | tr '\\0' x")
                self.assertEqual(read_exactly(sock, 200000), b"x" * 100000 + bytes(100000))

        crowd(one, 10)

    def test_a_command_left_in_the_background_does_not_hold_the_answer_back(self):
        _, port = self.start_server(self.server)
        with connect(port) as sock:
            sock.sendall(b"sleep 600 & echo $!")
            number = sock.recv(1024)
            sock.sendall(b"kill " + number.strip() + b"; echo killed")
            self.assertEqual(read_exactly(sock, 7), b"killed\n")

    def test_a_command_that_reads_finds_nothing_to_read(self):
        _, port = self.start_server(self.server)
        with connect(port) as sock:
            sock.sendall(b"cat; echo done")
            self.assertEqual(read_exactly(sock, 5), b"done\n")


class S4_S73_FramedShell(Case, ServerPair, ClientPair):
    server = "000_remote_shell_framed_server"
    client = "000_remote_shell_framed_client"
    typed = "seq 1 40000\n\ntrue\nls /nonexistent\n"
    printed = (">>>: " + "".join(f"{i}\n" for i in range(1, 40001)) + "\n>>>: >>>: \n>>>: " +
               shell("ls /nonexistent").stderr.decode() + "\n>>>: ")
    answer = staticmethod(framed_shell)
    through_cut = False

    def talk(self, sock, i):
        for command in "echo hi", "true", f"echo {i}; echo err >&2; echo out", "ls /nonexistent":
            result = shell(command)
            body = result.stdout + result.stderr
            header = json.dumps({"total_size": len(body)}).encode()
            sock.sendall(command.encode())
            expected = pack(len(header)) + header + body
            self.assertEqual(read_exactly(sock, len(expected)), expected)

    def check_output(self, output, peers):
        self.assertEqual(sorted(output.splitlines()), sorted(map(str, peers)))

    def test_the_bytes_of_echo_hi(self):
        _, port = self.start_server(self.server)
        with connect(port) as sock:
            sock.sendall(b"echo hi")
            self.assertEqual(read_exactly(sock, 24), b'\x11\0\0\0{"total_size": 3}hi\n')

    def test_our_client_reads_through_the_borders_of_packets(self):
        def answer(connection):
            connection.sendall(pack(17) + b'{"total_size": 3}hi\n' if connection.recv(1024) else b"")
            connection.recv(1)
        port = self.through("cut", self.serve(answer))
        self.assertEqual(self.run_client(self.client, port, "echo hi\n"), ">>>: hi\n\n>>>: ")

    def test_output_of_8_mb_arrives_whole(self):
        _, port = self.start_server(self.server)
        with connect(port) as sock:
            sock.sendall(b"head -c 8000000 /dev/zero; head -c 300000 /dev/zero >&2")
            header = json.loads(read_exactly(sock, read_int(sock)))
            self.assertEqual(header, {"total_size": 8300000})
            self.assertEqual(read_exactly(sock, 8300000), bytes(8300000))

    def test_both_ours_through_a_proxy(self):
        for kind in None, "glue":
            _, port = self.start_server(self.server)
            self.assertEqual(self.run_client(self.client, self.through(kind, port), "echo hi\ntrue\n"),
                             ">>>: hi\n\n>>>: \n>>>: ")

    def test_an_answer_is_sent_as_one_piece_that_waits_for_no_acknowledgement(self):
        _, port = self.start_server(self.server)
        with connect(port) as sock:
            for _ in range(3):
                sock.sendall(b"echo hi")
                self.assertEqual(sock.recv(1024), b'\x11\0\0\0{"total_size": 3}hi\n')

    def test_a_header_that_is_none_ends_the_client_with_an_error(self):
        for head in pack(-1), pack(1 << 30), pack(3) + b"abc", pack(2) + b"{}", pack(18) + b'{"total_size": -1}':
            def answer(connection, head=head):
                connection.recv(1024)
                connection.sendall(head)
            with self.subTest(head=head):
                self.assertEqual(self.run_client(self.client, self.serve(answer), "echo hi\n", status=1), ">>>: ")


class S5_S111_StructHeader(Case):
    def test_it_prints_the_object_its_length_and_the_number_read_back(self):
        program = self.start("000_struct_header_demo")
        self.assertEqual(program.finish(), '{"total_size": 10241321431312}\n30\n4\n(30,)\n')


class S6_S69_Udp(Case):
    def test_our_server_answers_each_datagram_an_empty_one_too_and_prints_it(self):
        program, port = self.start_server("000_udp_server")
        sock = self.datagrams(port)
        for data in b"hello", b"", "你好 x".encode(), b"z" * 1024:
            sock.send(data)
            self.assertEqual(sock.recv(2048), data.upper())
        peer = sock.getsockname()
        self.assertEqual(program.stop().splitlines()[:2], [f"b'hello' {peer}", f"b'' {peer}"])

    def test_our_server_and_100_python_clients_at_once(self):
        program, port = self.start_server("000_udp_server")

        def one(i):
            sock = self.datagrams(port)
            for text in f"m{i}", f"n{i}":
                sock.send(text.encode())
                self.assertEqual(sock.recv(1024), text.upper().encode())

        crowd(one)
        program.stop()

    def test_our_server_does_not_answer_itself(self):
        program, port = self.start_server("000_udp_server")
        try:
            forger = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        except PermissionError:
            self.skipTest("needs the right to raw sockets")
        with forger:
            forger.bind(("127.0.0.1", 0))
            forger.sendto(struct.pack("!HHHH", port, port, 12, 0) + b"echo", ("127.0.0.1", port))
        sock = self.datagrams(port)
        sock.send(b"next")
        self.assertEqual(sock.recv(1024), b"NEXT")
        self.assertEqual(program.stop().splitlines()[:2], [f"b'next' {sock.getsockname()}"])

    def test_our_server_outlives_a_sender_that_has_gone(self):
        program, port = self.start_server("000_udp_server")
        gone = self.datagrams(port)
        gone.send(b"x")
        gone.close()
        sock = self.datagrams(port)
        sock.send(b"y")
        self.assertEqual(sock.recv(1024), b"Y")
        program.stop()

    def test_our_client_prints_the_answers_of_a_python_server_and_from_whom(self):
        port = self.serve_datagrams(lambda data, _: data.upper())
        address = ("127.0.0.1", port)
        self.assertEqual(self.run_client("000_udp_client", port, "hello\n\n你好 x\n", PATIENCE),
                         f">>>: HELLO {address}\n>>>:  {address}\n>>>: 你好 X {address}\n>>>: ")

    def test_our_client_goes_on_after_an_answer_that_was_lost(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(PATIENCE)
            program = self.start("000_udp_client", *sock.getsockname(), 1)
            program.type("lost\n")
            data, sender = sock.recvfrom(1024)
            self.assertEqual(data, b"lost")
            program.wait_for(">>>: ", 2)
            sock.sendto(b"M", sender)  # before it is asked for, so that no machine is too slow for that second
            program.type("m\n")
            program.end_input()
            self.assertEqual(program.finish(), f">>>: >>>: M {sock.getsockname()}\n>>>: ")
            self.assertEqual(sock.recv(1024), b"m")

    def test_both_ours(self):
        _, port = self.start_server("000_udp_server")
        self.assertEqual(self.run_client("000_udp_client", port, "hello\n", PATIENCE),
                         f">>>: HELLO {('127.0.0.1', port)}\n>>>: ")


class S8_SocketserverUdp(Case):
    def test_our_server_answers_datagrams_of_up_to_8192_bytes(self):
        program, port = self.start_server("000_socketserver_udp")
        sock = self.datagrams(port)
        for data in b"hello", b"", b"z" * 8192:
            sock.send(data)
            self.assertEqual(sock.recv(65536), data.upper())
        sock.send(b"y" * 9000)
        self.assertEqual(sock.recv(65536), b"Y" * 8192)
        self.assertEqual(program.stop(), "")

    def test_our_server_and_100_python_clients_at_once(self):
        program, port = self.start_server("000_socketserver_udp")

        def one(i):
            sock = self.datagrams(port)
            for text in f"m{i}", f"n{i}":
                sock.send(text.encode())
                self.assertEqual(sock.recv(1024), text.upper().encode())

        crowd(one)
        program.stop()

    def test_our_client_prints_the_answers_of_a_python_server(self):
        port = self.serve_datagrams(lambda data, _: data.upper())
        self.assertEqual(self.run_client("000_socketserver_udp_client", port, "hello\n", PATIENCE),
                         ">>>>:HELLO\n>>>>:")

    def test_both_ours(self):
        _, port = self.start_server("000_socketserver_udp")
        self.assertEqual(self.run_client("000_socketserver_udp_client", port, "hello\nm\n", PATIENCE),
                         ">>>>:HELLO\n>>>>:M\n>>>>:")
