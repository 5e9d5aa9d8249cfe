# SPDX-License-Identifier: MIT
"""Looking after a server: status, sessions and their end, metrics and health, on its Unix socket."""

import json
import os
import pathlib
import socket
import time
import unittest

from peer import PATIENCE, Connection, cli, wait_for_death
from test_network import ME, NetworkServer
from tls_peer import Closed, Tls, scram

PASSWORD = "correct horse battery"


class Control(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = NetworkServer("--exempt", "127.0.0.0/8", "--workers", "1").ready()
        cls.address = cls.server.address
        cls.server.add_user("ann", "read,write,exec,admin", "--account", ME)
        cls.server.add_user("ben", "read")

    @classmethod
    def tearDownClass(cls):
        try:
            status = cls.server.stop()
            log = cls.server.log.read_text(errors="replace")
            if status != 0 or "Sanitizer" in log or "runtime error" in log:
                raise AssertionError(f"the server ended with {status}: {log[-8000:]}")
        finally:
            cls.server.remove()

    def enter(self, name):
        connection = Tls(self.server.port)
        self.addCleanup(connection.close)
        self.assertTrue(scram(connection, name, PASSWORD)["ok"])
        return connection

    def lanyard(self, *arguments):
        done = cli(*arguments, env=self.server.environment)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout.decode()

    def status(self):
        return json.loads(self.lanyard("status", "--json", self.address))

    def sessions(self, *options):
        out = self.lanyard("sessions", "list", "--json", *options, self.address)
        return [json.loads(line) for line in out.splitlines()]

    def wait_until(self, is_so):
        """Reports come once a second: ask until it is so."""
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def http(self, request):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(self.address.removeprefix("unix:"))
            s.sendall(request)
            data = b""
            while piece := s.recv(65536):
                data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        return int(head.split()[1]), head.decode(), body.decode()

    def metric(self, name):
        _, _, body = self.http(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        return float(next(line.split()[-1] for line in body.splitlines() if line.startswith(f"lanyard_{name} ")))

    # ---- status ----

    def test_the_status_tells_of_workers_and_users(self):
        connections = [self.enter("ann"), self.enter("ben")]
        connections[0].run("echo", "hi")
        status = self.status()
        self.assertEqual(status["pid"], self.server.pid)
        self.assertGreaterEqual(status["sessions"]["network"], 2)
        self.assertGreaterEqual(status["sessions"]["users"]["ann"], 1)
        self.assertEqual([w["pid"] for w in status["workers"]], self.server.workers())
        self.assertEqual(len(status["addresses"]), 2)
        self.assertGreater(status["gate"]["admitted"], 1)
        self.assertGreater(status["audit"]["written"], 1)
        self.assertIn("serving", self.lanyard("status", self.address))

    def test_a_worker_reports_what_it_moved(self):
        before = self.status()["workers"][0]["work"]
        self.enter("ann").run("head", "-c", "1000000", "/dev/zero")
        self.wait_until(lambda: self.status()["workers"][0]["work"]["sent"] >= before["sent"] + 1000000)
        self.assertGreater(self.status()["workers"][0]["work"]["requests"], before["requests"])

    # ---- sessions ----

    def test_sessions_are_listed_with_what_runs(self):
        connection = self.enter("ann")
        connection.send_frame({"cmd": "exec", "id": 5, "argv": ["sleep", "600"]})
        connection.receive_frame()
        self.wait_until(lambda: any(s.get("doing") == "exec sleep 600" for s in self.sessions("--user", "ann")))
        found = self.sessions("--user", "ann")[0]
        self.assertFalse(found["local"])
        self.assertTrue(found["from"].startswith("tcp://127.0.0.1:"), found)
        self.assertNotIn("ben", [s["user"] for s in self.sessions("--user", "ann")])
        self.assertIn("exec sleep 600", self.lanyard("sessions", self.address))

    def test_a_session_of_this_machine_is_listed_and_ended(self):
        with Connection(self.address) as connection:
            pid = connection.start({"argv": ["sleep", "601"]})["pid"]
            found = [s for s in self.sessions() if s.get("doing") == "exec sleep 601"]
            self.assertEqual((len(found), found[0]["local"]), (1, True))
            self.lanyard("sessions", "kill", str(found[0]["session"]), "--host", self.address)
            wait_for_death(pid)

    def test_all_sessions_of_a_user_are_ended(self):
        connections, other = [self.enter("ben") for _ in range(3)], self.enter("ann")
        out = self.lanyard("sessions", "kill", "--user", "ben", "--host", self.address)
        self.assertGreaterEqual(int(out.split()[1]), 3)
        for connection in connections:
            with self.assertRaises(Closed):
                connection.receive(1)
        self.assertTrue(other.ask({"cmd": "ping", "id": 1})["ok"])
        self.wait_until(lambda: '"killed"' in self.lanyard("audit", "--json", "--user", "ben"))

    def test_a_session_that_is_not_there_is_said(self):
        done = cli("sessions", "kill", "999999999", "--host", self.address)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"no such session", done.stderr)

    def test_a_user_without_a_session_is_said(self):
        done = cli("sessions", "kill", "--user", "nobody-of-that-name", "--host", self.address)
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"there is no session of nobody-of-that-name's to end", done.stderr)

    def test_nobody_looks_after_the_server_over_the_network(self):
        connection = self.enter("ann")
        for request in ({"cmd": "status"}, {"cmd": "sessions"}, {"cmd": "session_kill", "user": "ben"}):
            self.assertEqual(connection.ask(dict(request, id=1))["error"], "EOPNOTSUPP")

    def test_requests_with_wrong_fields_are_refused(self):
        with Connection(self.address) as connection:
            for fields in ({}, {"session": 0}, {"session": -1}, {"session": "x"}, {"user": 7}, {"session": 1, "user": "x"}):
                answer = connection.ask({"cmd": "session_kill", "id": 1} | fields)
                self.assertEqual(answer["error"], "LY_EFIELD", fields)

    # ---- HTTP ----

    def test_metrics_are_as_prometheus_reads_them(self):
        status, head, body = self.http(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(status, 200)
        self.assertIn("text/plain; version=0.0.4", head)
        documented = (pathlib.Path(os.environ["LY_SOURCE"]) / "docs" / "metrics.md").read_text()
        known = set()
        for line in body.splitlines():
            if line.startswith("# TYPE "):
                name = line.split()[2]
                known.add(name)
                self.assertIn(f"`{name}`", documented)
            elif not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                self.assertIn(name.partition("{")[0], known)
                self.assertGreaterEqual(float(value), 0)
        self.assertGreater(len(known), 10)

    def test_an_open_session_counts(self):
        self.wait_until(lambda: self.metric('sessions{kind="network"}') == 0)  # those of other tests are over
        self.enter("ann")
        self.assertEqual(self.metric('sessions{kind="network"}'), 1)
        self.assertGreater(self.metric('connections_total{verdict="admitted"}'), 0)

    def test_health_is_ok(self):
        self.assertEqual(self.http(b"GET /health HTTP/1.0\r\n\r\n")[::2], (200, "ok\n"))
        self.assertEqual(self.http(b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n")[::2], (200, ""))

    def test_other_http_is_refused(self):
        self.assertEqual(self.http(b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n")[0], 404)
        self.assertEqual(self.http(b"GET /metrics HTTP/1.1\r\n\r\n")[0], 400)
        self.assertEqual(self.http(b"GET /metrics NONSENSE\r\n\r\n")[0], 400)

    def test_http_over_the_network_gets_nothing(self):
        connection = Tls(self.server.port)
        self.addCleanup(connection.close)
        connection.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        with self.assertRaises(Closed):
            while True:
                self.assertNotEqual(connection.receive(1), b"H")


if __name__ == "__main__":
    unittest.main()
