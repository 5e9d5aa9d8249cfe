# SPDX-License-Identifier: MIT
"""The examples of waiting for many: a poller by hand, callbacks, and a client with many connections at once."""

import os
import signal
import socket

from example_peers import CROWD, PATIENCE, Case, Server, read_exactly, read_to_end

POLLERS = ["select", "poll", "epoll", "io_uring"]


class Servers(Case):
    def each(self):
        for program in "poll_echo_server", "event_echo_server":
            for poller in POLLERS:
                with self.subTest(program=program, poller=poller):
                    name = f"@lanyard-{program}-{poller}-{os.getpid()}"
                    server = self.start(program, "unix:" + name, poller)
                    errors = server.err.wait_for(lambda data: data.endswith(b"\n"), "a line").decode()
                    if "no usable reactor" in errors:
                        continue
                    self.assertEqual(errors, "listening\n")
                    yield server, name

    def connect(self, name):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(sock.close)
        sock.settimeout(120)
        sock.connect("\0" + name[1:])
        return sock

    def end(self, server):
        server.process.send_signal(signal.SIGINT)
        server.finish()

    def test_a_crowd_is_served_though_some_say_nothing_or_do_not_read(self):
        block = b"x" * (1 << 20)
        for server, name in self.each():
            crowd = [self.connect(name) for _ in range(CROWD)]
            deaf = crowd[0]
            deaf.settimeout(0)
            sent = 0
            for _ in range(100):  # until nothing fits any more: it does not read the echo
                try:
                    sent += deaf.send(block)
                except BlockingIOError:
                    break
            for i, sock in enumerate(crowd[2:]):  # the second is silent
                sock.sendall(b"line %d\n" % i)
            for i, sock in enumerate(crowd[2:]):
                self.assertEqual(read_exactly(sock, len(b"line %d\n" % i)), b"line %d\n" % i)
            deaf.settimeout(120)
            deaf.shutdown(socket.SHUT_WR)
            self.assertEqual(len(read_to_end(deaf)), sent)
            for sock in crowd[1:]:
                sock.shutdown(socket.SHUT_WR)
                self.assertEqual(read_to_end(sock), b"")
            self.end(server)

    def test_the_client_talks_to_both_on_many_connections(self):
        for server, name in self.each():
            client = self.start("async_client", "unix:" + name, 50, PATIENCE)
            lines = client.finish().splitlines()
            self.assertEqual(sorted(lines), sorted(f"line {i}" for i in range(50)))
            self.end(server)


class Client(Case):
    def test_who_does_not_answer_is_given_up(self):
        def serve(connection):
            line = read_exactly(connection, 7)
            if line == b"line 3\n":
                connection.recv(1)  # until it is given up
            else:
                connection.sendall(line)

        server = Server(serve)
        self.addCleanup(server.close)
        client = self.start("async_client", f"tcp://127.0.0.1:{server.port}", 5)
        lines = client.finish(1).splitlines()
        self.assertLessEqual(set(lines), {f"line {i}" for i in (0, 1, 2, 4)})
        self.assertNotIn("line 3", lines)

    def test_nobody_there_is_said(self):
        client = self.start("async_client", "unix:@lanyard-nobody-is-there", 2)
        self.assertEqual(client.finish(1), "")
        self.assertEqual(client.err.data.decode().count("connection refused"), 2)
