# SPDX-License-Identifier: MIT
"""The chat room of the examples, with a thousand clients."""

import resource
import signal
import socket

from example_peers import Case, connect, read_exactly, read_to_end

CLIENTS = 1000


class Room(Case):
    def setUp(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.program = self.start("chat_server", "tcp://127.0.0.1:0", file_limit=CLIENTS + 24)
        self.port = self.program.port()

    def enter(self, name):
        sock = connect(self.port)
        self.addCleanup(sock.close)
        sock.sendall(name.encode() + b"\n")
        return sock

    def hear(self, sock, *lines):
        text = "".join(line + "\n" for line in lines)
        self.assertEqual(read_exactly(sock, len(text.encode())).decode(), text)

    def leave(self):
        """The server has no end of its own; a sanitizer has found nothing until now."""
        self.program.process.send_signal(signal.SIGTERM)
        self.program.finish(-signal.SIGTERM)

    def test_1000_clients_all_hear_what_one_says_and_a_late_one_hears_it_too(self):
        crowd = [self.enter(f"n{i}") for i in range(CLIENTS)]
        for i in 0, 499, 999:
            crowd[i].sendall(f"你好 from {i}\n".encode())
            for sock in crowd:
                self.hear(sock, f"n{i}: 你好 from {i}")
        for sock in crowd[500:]:
            sock.close()
        late = self.enter("late")
        self.hear(late, *(f"n{i}: 你好 from {i}" for i in (0, 499, 999)))
        late.sendall(b"bye\n")
        for sock in crowd[:500]:
            self.hear(sock, "late: bye")
        self.leave()

    def test_many_of_1000_speak_and_the_others_hear_all_of_it(self):
        crowd = [self.enter(f"n{i}") for i in range(CLIENTS)]
        listener = self.enter("listener")
        for i, sock in enumerate(crowd[:50]):
            sock.sendall(f"{i}\n".encode())
            self.hear(listener, f"n{i}: {i}")
        for sock in crowd[50:]:
            self.hear(sock, *(f"n{i}: {i}" for i in range(50)))

    def test_a_newcomer_hears_the_last_100_lines(self):
        speaker = self.enter("s")
        for i in range(150):
            speaker.sendall(f"{i}\n".encode())
            self.hear(speaker, f"s: {i}")
        self.hear(self.enter("late"), *(f"s: {i}" for i in range(50, 150)))

    def test_a_client_that_does_not_read_holds_nobody_up(self):
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", self.port))
        self.addCleanup(slow.close)
        speaker = self.enter("s")
        for _ in range(200):
            speaker.sendall((b"x" * 300 + b"\n") * 100)
            self.hear(speaker, *["s: " + "x" * 300] * 100)
        slow.sendall(b"slow\nstill here\n")
        self.hear(speaker, "slow: still here")
        self.leave()

    def test_control_characters_do_not_reach_others(self):
        listener, speaker = self.enter("l"), self.enter("s\x1b[2J")
        speaker.sendall(b"a\x1b]0;t\x07b\r\n")
        self.hear(listener, "s?[2J: a?]0;t?b")
        self.assertEqual(read_exactly(speaker, 5), b"s?[2J")

    def test_a_line_that_is_too_long_is_the_end_of_its_client_alone(self):
        listener, speaker = self.enter("l"), self.enter("s")
        speaker.sendall(b"x" * 10000)
        try:
            self.assertEqual(read_to_end(speaker), b"")
        except ConnectionResetError:
            pass
        listener.sendall(b"on\n")
        self.hear(listener, "l: on")
