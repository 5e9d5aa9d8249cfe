# SPDX-License-Identifier: MIT
"""The programs of tutorial 003 against Python peers."""

import json
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time

from example_peers import (PATIENCE, UTF8, Case, ClientPair, ServerPair, connect, crowd, pack, read_exactly, read_int,
                           read_to_end)


def getoutput(command):
    """As subprocess.getoutput, in bytes."""
    output = subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            stdin=subprocess.DEVNULL, check=False, env=UTF8).stdout
    return output.removesuffix(b"\n")


class S18_AcceptPrint(Case):
    def test_both_ours_print_what_python_prints(self):
        program, port = self.start_server("003_accept_print_server")
        self.assertEqual(self.run_client("003_connect_client", port), "")
        lines = program.finish().splitlines()
        self.assertRegex(lines[0], r"\A<socket\.socket fd=\d+, family=2, type=1, proto=0, laddr=\('0\.0\.0\.0', 0\)>\Z")
        self.assertRegex(lines[1], r"\A<socket\.socket fd=\d+, family=2, type=1, proto=0, "
                                   rf"laddr=\('127\.0\.0\.1', {port}\), raddr=\('127\.0\.0\.1', \d+\)>\Z")
        self.assertEqual(lines[2], re.search(r"raddr=(.*)>", lines[1]).group(1))
        self.assertEqual(len(lines), 3)

    def test_our_client_connects_to_a_python_server_and_leaves(self):
        port = self.serve(lambda connection: self.assertEqual(connection.recv(1), b""))
        self.run_client("003_connect_client", port)


class S19_S70_Chat(Case, ClientPair):
    client = "003_chat_client"
    typed = "你好\n\nbye\n"
    printed = ">>>服务端:re 你好\n>>>>>>服务端:re bye\n>>>"

    @staticmethod
    def answer(connection):
        """Of a message that is cut each part would be answered, so it is collected for as long as it may take."""
        for wanted in "你好".encode(), b"bye":
            connection.sendall(b"re " + read_exactly(connection, len(wanted)))

    through_cut = False

    def test_our_server_answers_from_its_input_and_serves_the_next_client(self):
        program, port = self.start_server("003_chat_server")
        for name in "一", "two":
            with connect(port) as sock:
                peer = sock.getsockname()
                program.wait_for(f"客户端{peer}建立连接\n")
                sock.sendall(name.encode())
                program.wait_for(f"客户端:{name}\n>>>")
                program.type(f"答 {name}\n")
                self.assertEqual(read_exactly(sock, len(f"答 {name}".encode())).decode(), f"答 {name}")
            program.wait_for(f"客户端{peer}退出\n")
        with connect(port) as sock:
            sock.sendall(b"x")
            program.wait_for("客户端:x\n>>>")
            program.end_input()
            self.assertEqual(read_to_end(sock), b"")
        program.finish()

    def test_our_server_notices_a_reset(self):
        program, port = self.start_server("003_chat_server")
        with connect(port) as sock:
            peer = sock.getsockname()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        program.wait_for(f"客户端{peer}退出\n")

    def test_an_empty_answer_is_asked_for_again(self):
        program, port = self.start_server("003_chat_server")
        with connect(port) as sock:
            sock.sendall(b"x")
            program.type("\n\ny\n")
            self.assertEqual(read_exactly(sock, 1), b"y")
        program.wait_for("客户端:x\n>>>>>>>>>")

    def test_both_ours_through_a_proxy(self):
        for kind in None, "glue":
            program, port = self.start_server("003_chat_server")
            program.type("一\n二\n")
            self.assertEqual(self.run_client("003_chat_client", self.through(kind, port), "a\nb\n"),
                             ">>>服务端:一\n>>>服务端:二\n>>>")
            self.assertIn("客户端:a\n>>>客户端:b\n>>>", program.wait_for("退出\n"))

    def test_100_clients_after_each_other(self):
        program, port = self.start_server("003_chat_server")
        program.type("".join(f"{i}\n" for i in range(100)))

        def one(i):
            with connect(port) as sock:
                sock.sendall(b"x")
                self.assertRegex(sock.recv(1024), rb"\A\d+\Z")

        crowd(one)

    def test_our_client_ends_when_the_server_has_left(self):
        port = self.serve(lambda connection: connection.recv(1024))
        self.assertEqual(self.run_client("003_chat_client", port, "a\nb\n", status=1), ">>>")


class S20_S67_Sticky(Case, ServerPair, ClientPair):
    server = "003_sticky_server"
    server_arguments = ("0.2",)
    client = "003_sticky_client"
    typed = "abc\n"
    printed = ">>>b'abcabcabc'\n>>>"

    @staticmethod
    def answer(connection):
        connection.sendall(read_exactly(connection, 9))

    def talk(self, sock, i):
        for _ in range(3):
            sock.sendall(b"abc")
        self.assertEqual(read_exactly(sock, 9), b"abcabcabc")

    def test_one_recv_gets_three_sends(self):
        """The server is stopped until the three have arrived; then it accepts, sleeps and takes its one recv."""
        program, port = self.start_server(self.server, "0.2")
        program.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, program.process.pid, os.WSTOPPED)
        slept = []

        def relay(near):
            with connect(port) as far:
                for _ in range(3):
                    far.sendall(read_exactly(near, 3))
                start = time.monotonic()
                program.process.send_signal(signal.SIGCONT)
                near.sendall(read_exactly(far, 9))
                slept.append(time.monotonic() - start)

        self.assertEqual(self.run_client(self.client, self.serve(relay), "abc\n"), ">>>b'abcabcabc'\n>>>")
        self.assertEqual(program.wait_for("'\n"), "b'abcabcabc'\n")
        self.doCleanups()
        self.assertGreaterEqual(slept[0], 0.2)

    def test_seconds_that_are_none_are_refused(self):
        for text in "-1", "nan", "x", "":
            with self.subTest(text=text):
                self.start("003_sticky_server", "127.0.0.1", 0, text).finish(2)


class S21_S110_SshV1(Case, ServerPair, ClientPair):
    server = "003_ssh_v1_server"
    client = "003_ssh_v1_client"
    client_arguments = (PATIENCE,)
    typed = "echo hello\n\necho 你好\n"
    printed = ("输入执行命令>>>字节长度: 5\n执行命令结果:hello\n输入执行命令>>>"
               "输入执行命令>>>字节长度: 6\n执行命令结果:你好\n输入执行命令>>>")
    through_cut = False

    @staticmethod
    def answer(connection):
        while command := connection.recv(1024):
            connection.sendall(getoutput(command))

    def talk(self, sock, i):
        for command in "echo hello", f"echo {i}; echo err >&2; echo out", "nosuchcommand", "echo 你好", "printf 'a\n\n'":
            answer = getoutput(command)
            sock.sendall(command.encode())
            self.assertEqual(read_exactly(sock, len(answer)), answer)

    def test_both_ours(self):
        _, port = self.start_server(self.server)
        self.assertEqual(self.run_client(self.client, port, self.typed, *self.client_arguments), self.printed)

    def test_a_command_without_output_is_not_answered(self):
        _, port = self.start_server(self.server)
        with connect(port) as sock:
            sock.sendall(b"true\n")  # with a border, should the next come in the same packet
            sock.sendall(b"echo on")
            self.assertEqual(sock.recv(1024), b"on")

    def test_a_command_without_output_does_not_hold_the_client_for_ever(self):
        self.assertEqual(self.run_impatient_client(self.client, "输入执行命令>>>", "true\n", "echo on\n", b"on"),
                         ("输入执行命令>>>输入执行命令>>>字节长度: 2\n执行命令结果:on\n输入执行命令>>>", b"trueecho on"))

    def test_S24_S122_commands_may_be_gbk_and_one_that_is_not_is_answered(self):
        _, port = self.start_server(self.server, "GBK")
        with connect(port) as sock:
            sock.sendall("echo 你好".encode("gbk"))
            self.assertEqual(read_exactly(sock, 6).decode(), "你好")
            sock.sendall(b"echo \xff\xff")
            self.assertEqual(read_exactly(sock, 22), b"the command is not GBK")
            sock.sendall(b"echo on")
            self.assertEqual(read_exactly(sock, 2), b"on")


class S22_S74_SshV2(Case, ServerPair, ClientPair):
    server = "003_ssh_v2_server"
    client = "003_ssh_v2_client"
    typed = "echo hello\ntrue\n"
    printed = "输入执行命令>>>b'5'\nhello\n输入执行命令>>>b'0'\n\n输入执行命令>>>"
    through_cut = False

    @staticmethod
    def answer(connection):
        while command := connection.recv(1024):
            output = getoutput(command)
            connection.sendall(str(len(output)).encode())
            if output:
                time.sleep(0.1)  # the protocol's only border
                connection.sendall(output)

    def talk(self, sock, i):
        for command in "echo hello", "true", f"echo {i}; nosuchcommand":
            answer = getoutput(command)
            sock.sendall(command.encode())
            expected = str(len(answer)).encode() + answer
            self.assertEqual(read_exactly(sock, len(expected)), expected)

    def test_length_and_output_are_two_pieces(self):
        """A busy machine may join them now and then: once apart is enough, since one piece is never two."""
        _, port = self.start_server(self.server)
        apart = False
        with connect(port) as sock:
            for _ in range(50):
                sock.sendall(b"echo 12345")
                apart = sock.recv(1024) == b"5"
                if apart:
                    break
        self.assertTrue(apart)

    def test_our_client_bears_output_that_comes_with_its_length(self):
        def answer(connection):
            connection.recv(1024)
            connection.sendall(b"5hello")
            connection.recv(1)
        self.assertEqual(self.run_client(self.client, self.serve(answer), "echo hello\n"),
                         "输入执行命令>>>b'5'\nhello\n输入执行命令>>>")

    def test_a_length_that_is_none_ends_our_client(self):
        for length in b"x", b"-1", b"9" * 30:
            def answer(connection, length=length):
                connection.recv(1024)
                connection.sendall(length)
            with self.subTest(length=length):
                self.assertEqual(self.run_client(self.client, self.serve(answer), "echo\n", status=1),
                                 "输入执行命令>>>")


class S23_SshV3(Case, ServerPair, ClientPair):
    server = "003_ssh_v3_server"
    client = "003_ssh_v3_client"
    typed = "echo hello\ntrue\nseq 1 2000\n"
    printed = ("输入执行命令>>>执行命令结果: hello\n输入执行命令>>>执行命令结果: \n输入执行命令>>>执行命令结果: " +
               getoutput("seq 1 2000").decode() + "\n输入执行命令>>>")
    through_cut = False

    @staticmethod
    def answer(connection):
        while command := connection.recv(1024):
            output = getoutput(command)
            connection.sendall(pack(len(output)))
            connection.sendall(output)

    def talk(self, sock, i):
        for command in "echo hello", "true", f"echo {i}; nosuchcommand", "seq 1 2000":
            answer = getoutput(command)
            sock.sendall(command.encode())
            self.assertEqual(read_exactly(sock, 4 + len(answer)), pack(len(answer)) + answer)

    def test_length_and_output_are_one_piece(self):
        _, port = self.start_server(self.server)
        with connect(port) as sock:
            sock.sendall(b"echo hello")
            self.assertEqual(sock.recv(1024), b"\5\0\0\0hello")

    def test_our_client_reads_through_the_borders_of_packets(self):
        def answer(connection):
            read_exactly(connection, 10)
            connection.sendall(b"\5\0\0\0hello")
            connection.recv(1)
        self.assertEqual(self.run_client(self.client, self.through("cut", self.serve(answer)), "echo hello\n"),
                         "输入执行命令>>>执行命令结果: hello\n输入执行命令>>>")

    def test_output_larger_than_a_sockets_buffer(self):
        _, port = self.start_server(self.server)
        output = self.run_client(self.client, port, "head -c 9000000 /dev/zero | tr '\\0' y\n")
        self.assertEqual(len(output), len("输入执行命令>>>执行命令结果: \n输入执行命令>>>") + 9000000)
        self.assertEqual(output.count("y"), 9000000)

    def test_a_negative_length_ends_our_client(self):
        def answer(connection):
            connection.recv(1024)
            connection.sendall(pack(-1))
        self.assertEqual(self.run_client(self.client, self.serve(answer), "x\n", status=1), "输入执行命令>>>")


# ---- files ----

SIZES = (0, 1, 2047, 2048, 2049, 4096, 65536, 1000003)


def content(size):
    return random.Random(size).randbytes(size)


def request(**fields):
    text = json.dumps(fields).encode()
    return pack(len(text)) + text


def put(name, data):
    return request(cmd="put", filename=name, filesize=len(data)) + data


def get(sock, name):
    """The file, or None where there is none; the header's bytes are as the tutorial's."""
    sock.sendall(request(cmd="get", filename=name))
    text = read_exactly(sock, read_int(sock))
    header = json.loads(text)
    if not header["isfile"]:
        assert text == b'{"isfile": false}', text
        return None
    assert text == f'{{"filesize": {header["filesize"]}, "isfile": true}}'.encode(), text
    return read_exactly(sock, header["filesize"])


class S25_S26_S27_S28_S121_UploadServer(Case, ServerPair):
    server = "003_upload_server"

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name) / "served"
        self.root.mkdir()
        self.server_arguments = (self.root,)
        (self.root / "one.bin").write_bytes(b"\x01")

    def talk(self, sock, i):
        data = content(3000 + i)
        sock.sendall(put(f"f{i}", data))
        self.assertEqual(get(sock, f"f{i}"), data)
        self.assertEqual(get(sock, "one.bin"), b"\x01")
        self.assertIsNone(get(sock, "missing"))
        self.assertEqual((self.root / f"f{i}").read_bytes(), data)

    def check_output(self, output, peers):
        self.assertEqual(output.count("{'cmd': 'put', 'filename': 'f0', 'filesize': 3000}\n"), 1)
        self.assertEqual(output.count(f"-----> {self.root}/f0\n"), 2)
        self.assertEqual(output.count("recvsize:3000 filesize:3000\n"), 1)
        self.assertEqual(output.count("下载完成\n"), 3 * len(peers))

    def test_files_of_all_sizes_go_there_and_back(self):
        _, port = self.start_server(self.server, self.root)
        for kind in None, "glue":
            with connect(self.through(kind, port)) as sock:
                for size in SIZES:
                    sock.sendall(put(f"s{size}", content(size)))
                for size in SIZES:
                    self.assertEqual(get(sock, f"s{size}"), content(size), size)
                    self.assertEqual((self.root / f"s{size}").read_bytes(), content(size), size)

    def test_a_request_in_the_same_packet_as_the_end_of_a_file_is_none_of_its_bytes(self):
        _, port = self.start_server(self.server, self.root)
        with connect(port) as sock:
            sock.sendall(put("a", b"x" * 100) + put("b", b"y" * 50) + request(cmd="get", filename="one.bin"))
            self.assertEqual(read_exactly(sock, read_int(sock)), b'{"filesize": 1, "isfile": true}')
            self.assertEqual(read_exactly(sock, 1), b"\x01")
        self.assertEqual((self.root / "a").read_bytes(), b"x" * 100)
        self.assertEqual((self.root / "b").read_bytes(), b"y" * 50)

    def test_names_that_lead_out_of_the_directory_are_refused_and_the_connection_goes_on(self):
        outside = self.root.parent / "secret"
        outside.write_bytes(b"secret")
        (self.root / "link").symlink_to(outside)
        (self.root / "up").symlink_to("..")
        (self.root / "sub").mkdir()
        program, port = self.start_server(self.server, self.root)
        with connect(port) as sock:
            for name in ("../secret", str(outside), "link", "up/secret", "sub/../../secret", "..", ".", "", "sub/",
                         "sub", "/"):
                with self.subTest(name=name):
                    self.assertIsNone(get(sock, name))
                    if name != "link":  # that is replaced by a file, beneath the directory
                        sock.sendall(put(name, b"evil"))
            self.assertEqual(get(sock, "one.bin"), b"\x01")
            sock.sendall(put("link", b"mine") + put("sub/x", b"deep"))
            self.assertEqual(get(sock, "sub/x"), b"deep")
            self.assertEqual(get(sock, "link"), b"mine")
        self.assertEqual(outside.read_bytes(), b"secret")
        self.assertEqual(sorted(path.name for path in self.root.parent.iterdir()), ["secret", "served"])
        self.assertEqual(sorted(path.name for path in self.root.iterdir()), ["link", "one.bin", "sub", "up"])
        program.stop()

    def test_a_sender_that_leaves_in_the_middle_leaves_no_file_and_the_server_goes_on(self):
        program, port = self.start_server(self.server, self.root)
        (self.root / "old").write_bytes(b"old")
        with connect(port) as sock:
            sock.sendall(put("old", b"x" * 100000)[:50000])
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(read_to_end(sock), b"")
        with connect(port) as sock:
            self.assertEqual(get(sock, "old"), b"old")
        self.assertEqual(sorted(path.name for path in self.root.iterdir()), ["old", "one.bin"])
        program.stop()

    def test_a_request_is_printed_as_a_dictionary_with_what_a_terminal_must_not_get_escaped(self):
        program, port = self.start_server(self.server, self.root)
        names = ["你好", "it's", 'a"b', "both'\"", "back\\slash", "tab\t\n\r", "\x1b[2J\x7f"]
        with connect(port) as sock:
            for name in names:
                self.assertIsNone(get(sock, name))
        output = program.stop()
        for name in names:
            self.assertIn(f"{dict(cmd='get', filename=name)}\n", output)
        self.assertNotIn("\x1b", output)

    def test_only_listed_commands_can_be_called(self):
        _, port = self.start_server(self.server, self.root)
        for bad in (request(cmd="run", filename="x"), request(cmd="server_close", filename="x"), request(filename="x"),
                    request(cmd="put", filename="x"), request(cmd="put", filename="x", filesize=-1),
                    request(cmd="put", filename="x", filesize=1 << 62), request(cmd="get"), request(cmd="get", filename=1),
                    request(cmd="get", filename="a\0b"), pack(-1), pack(1 << 30), pack(3) + b"abc", b"GET / HTTP/1.1\r\n\r\n"):
            with self.subTest(bad=bad), connect(port) as sock:
                sock.sendall(bad)
                self.assertEqual(read_to_end(sock), b"")
        with connect(port) as sock:
            self.assertEqual(get(sock, "one.bin"), b"\x01")

    def test_S26_an_address_in_use_is_said_and_ends_it(self):
        _, port = self.start_server(self.server, self.root)
        program = self.start(self.server, "127.0.0.1", port, self.root)
        self.assertEqual(program.finish(1), "")
        self.assertIn(b"address already in use", program.err.data.lower())

    def test_a_directory_that_is_not_there_is_said(self):
        self.start(self.server, "127.0.0.1", 0, self.root / "none").finish(1)


def python_upload_server(root):
    """The tutorial's server, with its three sends."""
    def serve(connection):
        while length := connection.recv(4):
            length += read_exactly(connection, 4 - len(length))
            header = json.loads(read_exactly(connection, struct.unpack("i", length)[0]))
            path = root / header["filename"]
            if header["cmd"] == "put":
                path.write_bytes(read_exactly(connection, header["filesize"]))
                continue
            found = path.is_file()
            fields = {"filesize": path.stat().st_size, "isfile": True} if found else {"isfile": False}
            text = json.dumps(fields).encode()
            connection.sendall(pack(len(text)))
            connection.sendall(text)
            if found:
                connection.sendall(path.read_bytes())
    return serve


class S25_S28_UploadClient(Case):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.here = pathlib.Path(self.folder.name) / "local"
        self.there = pathlib.Path(self.folder.name) / "served"
        self.here.mkdir()
        self.there.mkdir()

    def exchange(self, port, sizes):
        for size in sizes:
            (self.here / f"p{size}").write_bytes(content(size))
            (self.there / f"g{size}").write_bytes(content(size + 1))
        lines = "".join(f"put p{size}\nget g{size}\n" for size in sizes)
        output = self.run_client("003_upload_client", port, lines + "get missing\nput missing\n", self.here)
        for size in sizes:
            self.assertEqual((self.there / f"p{size}").read_bytes(), content(size))
            self.assertEqual((self.here / f"g{size}").read_bytes(), content(size + 1))
            self.assertIn(f"{self.here}/p{size}\n{dict(cmd='put', filename=f'p{size}', filesize=size)}\n", output)
            self.assertIn(f"{dict(filesize=size + 1, isfile=True)}\n", output)
        self.assertEqual(len(re.findall(r"^\d+\.\d{6}$", output, re.MULTILINE)), 2 * len(sizes))
        self.assertIn("{'isfile': False}\n文件不存在!\n", output)
        self.assertTrue(output.endswith(f">>: file:{self.here}/missing is not exists\n>>: "), output[-200:])

    def test_our_client_and_a_python_server(self):
        self.exchange(self.serve(python_upload_server(self.there)), SIZES)

    def test_our_client_and_a_python_server_whose_bytes_arrive_one_by_one(self):
        self.exchange(self.through("cut", self.serve(python_upload_server(self.there))), (0, 1, 2049))

    def test_our_client_and_a_python_server_whose_bytes_arrive_glued(self):
        self.exchange(self.through("glue", self.serve(python_upload_server(self.there))), SIZES)

    def test_both_ours(self):
        _, port = self.start_server("003_upload_server", self.there)
        self.exchange(port, SIZES)

    def test_100_of_our_clients_and_a_python_server_at_once(self):
        (self.there / "g").write_bytes(content(5000))
        port = self.serve(python_upload_server(self.there))

        def one(i):
            here = self.here / str(i)
            here.mkdir()
            (here / f"p{i}").write_bytes(content(3000 + i))
            self.run_client("003_upload_client", port, f"put p{i}\nget g\n", here)
            self.assertEqual((here / "g").read_bytes(), content(5000))
            self.assertEqual((self.there / f"p{i}").read_bytes(), content(3000 + i))

        crowd(one)

    def test_a_server_that_leaves_in_the_middle_leaves_no_file(self):
        def answer(connection):
            read_exactly(connection, read_int(connection))
            text = b'{"filesize": 1000, "isfile": true}'
            connection.sendall(pack(len(text)) + text + b"x" * 500)
        self.run_client("003_upload_client", self.serve(answer), "get a\n", self.here, status=1)
        self.assertEqual(list(self.here.iterdir()), [])

    def test_lines_that_are_no_command_and_names_with_a_path_are_passed_over(self):
        port = self.serve(lambda connection: self.assertEqual(connection.recv(1), b""))
        output = self.run_client("003_upload_client", port, "\nput\nrun x\nget ../x\nput /etc/passwd\nget ..\n", self.here)
        self.assertEqual(output, ">>: " * 7)
