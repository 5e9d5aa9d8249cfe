# SPDX-License-Identifier: MIT
"""A worker that has been taken over: what it tries, what that costs, and whom."""

import contextlib
import errno
import os
import signal
import socket
import unittest

import peer
from peer import PATIENCE, cli
from test_network import ME, NetworkServer
from tls_peer import Closed, Tls, make_certificate, pair, scram

GUILTY, INNOCENT = "127.0.0.9", "127.0.0.3"
DENIED = bytes((21, 3, 3, 0, 2, 2, 49))  # the alert access_denied


class MisbehavingServer(NetworkServer):
    def __init__(self, *options):
        program, peer.PROGRAM = peer.PROGRAM, os.environ["LANYARD_MISBEHAVING"]
        try:
            super().__init__(*options)
        finally:
            peer.PROGRAM = program

    def check_log(self):
        """What it logs is what these tests are about."""


class Misbehaving(unittest.TestCase):
    def serve(self, *options):
        server = MisbehavingServer(*options).ready()
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        server.add_user("ann", "read,write,exec", "--account", ME)
        server.workers()  # all are there to be chosen from
        return server

    def enter(self, server):
        connection = Tls(server.port)
        self.addCleanup(connection.close)
        self.assertTrue(scram(connection, "ann", "correct horse battery")["ok"])
        return connection

    def do(self, server, deed, number=0, source=GUILTY):
        """Have the worker do it: the error's number that it got, or None if it has ended."""
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE, (source, 0)) as s:
            s.sendall(f"!{deed} {number}\n".encode())
            answer = b""
            with contextlib.suppress(OSError):  # it may be over by now
                s.shutdown(socket.SHUT_WR)
                while piece := s.recv(100):
                    answer += piece
        return int(answer.split()[0]) if answer else None

    def assert_refused(self, server, source):
        """The gate turns the source away, before it has said anything."""
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE, (source, 0)) as s:
            self.assertEqual(s.recv(100), DENIED)

    def count_alive(self, connections):
        alive = 0
        for connection in connections:
            with contextlib.suppress(Closed):
                alive += connection.ask({"cmd": "ping", "id": 1}).get("ok", False)
        return alive

    def check_end(self, deed, line, number=0):
        """It ends the worker, which is said; others go on, and the source pays."""
        with self.subTest(deed):
            server = self.serve("--workers", "2")
            connections = [self.enter(server) for _ in range(2)]
            self.do(server, deed, number)
            server.wait_for(line)
            self.assertEqual(self.count_alive(connections), 1)
            self.assert_refused(server, GUILTY)
            self.assertTrue(self.enter(server).ask({"cmd": "ping", "id": 1})["ok"])
            return server

    def test_calls_that_reach_out_end_it(self):
        for deed in ("exec", "connect", "kill", "trace"):
            self.check_end(deed, "a worker made a system call that it may not make")

    def test_what_the_supervisor_does_not_allow_ends_it(self):
        for deed, number, why in (("broken", 0, "a message: that is none"),
                                  ("start", 999, "start: for a session that is not this worker's"),
                                  ("killed", 7, "kill: with fields that it does not have"),
                                  ("unknown", 0, "start: in a state that does not allow it"),
                                  ("large", 0, "a message: that is none"),
                                  ("nonsense", 0, "a message: that is none"),
                                  ("gift", 0, "a message: with descriptors")):
            self.check_end(deed, why, number)

    def test_a_session_of_another_worker_is_out_of_reach(self):
        self.check_end("note", "note: for a session that is not this worker's", 4)

    def test_a_command_of_another_workers_user_is_out_of_reach(self):
        self.check_end("steal", "start: for a session that is not this worker's", 5)

    def test_a_worker_that_hangs_up_costs_its_connections_and_is_started_again(self):
        server = self.serve("--workers", "2")
        connections = [self.enter(server) for _ in range(2)]
        self.do(server, "close")
        server.wait_for("a worker has ended")
        self.assertEqual(self.count_alive(connections), 1)
        for _ in range(2):
            self.assertTrue(self.enter(server).ask({"cmd": "ping", "id": 1})["ok"])

    def test_a_flood_of_what_may_be_said_keeps_nobody_else_waiting(self):
        server = self.serve("--workers", "2")
        connections = [self.enter(server) for _ in range(2)]  # one on each
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE, (GUILTY, 0)) as s:
            s.sendall(b"!flood 0\n")
            answers = [c.run("echo", "there")[1] for c in connections]
            self.assertEqual(answers, [b"there\n"] * 2)
            self.assertTrue(self.enter(server).ask({"cmd": "ping", "id": 1})["ok"])
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("running requests may finish")
        self.assertEqual(server.stop(signal.SIGTERM), 0)  # at once, though the flood goes on

    def enter_by_key(self, server):
        """Log in by a device's key, so that the worker has seen its proof."""
        key = make_certificate(server.state / "device", "-newkey", "ed25519")
        done = cli("user", "pair", "ann", env=server.environment)
        connections = [Tls(server.port, certificate=key)]
        self.assertTrue(pair(connections[0], done.stdout.decode().split()[-1])["ok"])
        connections.append(Tls(server.port, certificate=key))
        self.assertEqual(connections[1].ask({"cmd": "hello", "id": 1})["user"], "ann")
        for connection in connections:
            connection.close()

    def count_logins(self, server):
        return (server.state / "audit.jsonl").read_text().count('"device"')

    def test_a_key_cannot_be_claimed_nor_its_proof_used_again(self):
        for deed in ("claim", "replay"):
            with self.subTest(deed):
                server = self.serve("--workers", "1")
                self.enter_by_key(server)
                logins = self.count_logins(server)
                self.do(server, deed)
                server.wait_for("begin: with a key without a proof that holds")
                self.assert_refused(server, GUILTY)
                self.assertTrue(self.enter(server).ask({"cmd": "ping", "id": 1})["ok"])
                self.assertEqual(self.count_logins(server), logins)

    def test_a_crash_is_charged_to_the_session_that_did_it_alone(self):
        for deed, line in (("fault", "a worker crashed at the work for a session"), ("abort", "a worker crashed at the work for a session"),
                           ("overflow", "a worker crashed at the work for a session"), ("late", "a worker crashed at what was left of a session")):
            with self.subTest(deed):
                server = self.serve("--workers", "1")
                innocent = Tls(server.port, source=INNOCENT)  # who says nothing would be with no worker
                self.addCleanup(innocent.close)
                self.do(server, deed)
                log = server.wait_for(line)
                self.assertIn(f'from=tcp://{GUILTY}:', log.replace('"', ""))
                self.assert_refused(server, GUILTY)
                Tls(server.port, source=INNOCENT).close()  # it shakes hands

    def test_files_elsewhere_cannot_be_opened(self):
        self.assertIn(self.do(self.serve("--workers", "1"), "shadow"), (errno.EACCES, errno.ENOENT))


if __name__ == "__main__":
    unittest.main()
