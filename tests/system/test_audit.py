# SPDX-License-Identifier: MIT
"""lanyard audit, on trails that are written here from docs/audit.md alone."""

import datetime
import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["LANYARD"]
PATIENCE = 60  # seconds for anything that should happen at once

EXEC = {"who": "alice", "from": "tls://192.0.2.7:4711", "device": "12345-67890", "what": "exec", "object": "make -C src",
        "result": "ok", "detail": "exit 2", "session": 7, "action": 12, "duration_ms": 4210, "bytes": 18733}
LOGIN = {"from": "tls://[2001:db8::5]:99", "what": "login", "object": "bob", "result": "LY_EDENIED", "session": 8}
PUT = {"who": "bob", "from": "unix:/run/lanyard.sock", "what": "put", "object": "a b", "result": "ENOSPC", "session": 9,
       "duration_ms": 12, "bytes": 0}


def line(record, time="2026-11-21T09:35:37.123456Z"):
    return json.dumps({"time": time} | record) + "\n"


def ago(**how_long):
    time = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**how_long)
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Audit(unittest.TestCase):
    def setUp(self):
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
        self.addCleanup(shutil.rmtree, self.state)
        self.trail = self.state / "audit.jsonl"
        self.environment = os.environ | {"LANYARD_STATE": str(self.state)}

    def write(self, *lines, mode="w"):
        with open(self.trail, mode, encoding="ascii") as f:
            f.write("".join(lines))

    def run_audit(self, *arguments, **kwargs):
        return subprocess.run([PROGRAM, "audit", *arguments], env=self.environment, capture_output=True, text=True,
                              timeout=PATIENCE, check=False, **kwargs)

    def shown(self, *arguments):
        """The records that are printed, as JSON."""
        result = self.run_audit("--json", *arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return [json.loads(text) for text in result.stdout.splitlines()]

    def what(self, *arguments):
        return [record["what"] for record in self.shown(*arguments)]

    def write_three(self):
        self.write(line(EXEC, "2026-11-21T09:00:00Z"), line(LOGIN, "2026-11-21T10:00:00Z"), line(PUT, "2026-11-21T11:00:00Z"))


class Table(Audit):
    def test_a_record_is_a_row(self):
        self.write(line(EXEC))
        result = self.run_audit()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        head, row = result.stdout.splitlines()
        self.assertEqual(head.split(), ["TIME", "(UTC)", "USER", "FROM", "SESSION", "WHAT", "RESULT", "TOOK", "BYTES", "OBJECT"])
        self.assertEqual(row.split(maxsplit=9), ["2026-11-21", "09:35:37.123", "alice", "192.0.2.7:4711", "7", "exec", "ok",
                                                 "4.2s", "18733", "make -C src (exit 2)"])
        for name, value in (("USER", "alice"), ("FROM", "192."), ("WHAT", "exec"), ("RESULT", "ok"), ("OBJECT", "make")):
            self.assertEqual(head.index(name), row.index(value))

    def test_what_is_missing_is_a_dash(self):
        self.write(line({"what": "login"}))
        row = self.run_audit().stdout.splitlines()[1]
        self.assertEqual(row.split(), ["2026-11-21", "09:35:37.123", "-", "-", "-", "login", "-", "-", "-", "-"])

    def test_times_and_sizes_are_short(self):
        cases = {0: "0ms", 999: "999ms", 1000: "1.0s", 59999: "59.9s", 60000: "1m00s", 3599999: "59m59s", 3600000: "1h00m",
                 360000000: "100h00m"}
        self.write(*(line({"what": "x", "duration_ms": ms}) for ms in cases))
        self.assertEqual([row.split()[7] for row in self.run_audit().stdout.splitlines()[1:]], list(cases.values()))

    def test_an_empty_trail_is_an_empty_answer(self):
        self.write()
        result = self.run_audit()
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    def test_json_is_the_record(self):
        self.write(line(EXEC), line(LOGIN))
        self.assertEqual(self.shown(), [json.loads(line(EXEC)), json.loads(line(LOGIN))])

    def test_members_that_are_not_known_are_kept_and_in_nobodys_way(self):
        self.write(line(EXEC | {"new": {"deep": [1, None]}, "bytes": "many"}))
        self.assertEqual(self.shown()[0]["new"], {"deep": [1, None]})
        self.assertEqual(self.run_audit().stdout.splitlines()[1].split()[8], "-")


class Hostile(Audit):
    EVIL = "x\n2026-11-21 \x1b[31mroot\x7f\x9b\u202e\u2028\udcff\U0001f600"

    def check(self, text):
        self.assertFalse(re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028\udcff]", text), ascii(text))

    def test_no_member_reaches_the_terminal_unescaped(self):
        for name in ("who", "from", "device", "what", "object", "result", "detail"):
            with self.subTest(member=name):
                self.write(line(EXEC | {name: self.EVIL}), line(LOGIN))
                result = self.run_audit()
                self.assertEqual((result.returncode, result.stdout.count("\n")), (0, 3))
                self.check(result.stdout)

    def test_json_stays_plain_and_one_line_a_record(self):
        text = json.dumps({"time": "2026-11-21", "who": self.EVIL.encode("utf-16", "surrogatepass").decode("utf-16", "replace")},
                          ensure_ascii=False)
        self.trail.write_text(text.replace(": ", ":\t") + "\n", encoding="utf-8")
        result = self.run_audit("--json")
        self.assertEqual((result.returncode, result.stdout.count("\n")), (0, 1))
        self.assertTrue(result.stdout.isascii())
        self.check(result.stdout)

    def test_a_name_with_spaces_does_not_look_like_columns(self):
        self.write(line(LOGIN | {"who": "root      10.0.0.1   7 login    ok"}))
        row = self.run_audit().stdout.splitlines()[1]
        self.assertIn(r"root\x20\x20\x20\x20\x20\x2010.0.0.1", row)
        self.assertEqual(row.split()[3], "[2001:db8::5]:99")

    def test_lines_that_are_no_records_are_told(self):
        self.write(line(EXEC), "nonsense\n", "\n", "[1]\n", line(EXEC)[:50], line(LOGIN), '{"time": "2026-11-2')
        result = self.run_audit("--json")
        self.assertEqual(result.returncode, 1)
        self.assertEqual([json.loads(text)["what"] for text in result.stdout.splitlines()], ["exec", "login"])
        self.assertEqual(result.stderr, "lanyard audit: 4 damaged lines: what is no whole record was left out\n")

    def test_a_line_of_any_length_is_one_line(self):
        for length in (65000, 65536, 65537, 131072, 1000000):
            with self.subTest(length=length):
                self.write(line(EXEC), "x" * length + "\n", line(LOGIN))
                result = self.run_audit("--json")
                self.assertEqual(result.stdout.count("\n"), 2)
                self.assertIn("1 damaged line:", result.stderr)

    def test_a_last_record_without_a_line_end_counts(self):
        self.write(line(EXEC).rstrip("\n"))
        self.assertEqual(self.what(), ["exec"])


class Filters(Audit):
    def test_users(self):
        self.write_three()
        self.assertEqual(self.what("--user", "alice"), ["exec"])
        self.assertEqual(self.what("-u", "bob"), ["put"])
        self.assertEqual(self.what("--user="), ["login"])
        self.assertEqual(self.what("--user", "ali"), [])

    def test_origins(self):
        self.write_three()
        for origin in ("192.0.2.7", "192.0.2.0/24", "12345-67890", "tls://192.0.2.7:4711", "192.0.2.7:4711"):
            self.assertEqual(self.what("--from", origin), ["exec"], origin)
        self.assertEqual(self.what("--from", "2001:db8::/32"), ["login"])
        self.assertEqual(self.what("--from", "unix:/run/lanyard.sock"), ["put"])
        for origin in ("198.51.100.0/24", "192.0.2.7:4712"):
            self.assertEqual(self.what("--from", origin), [], origin)

    def test_an_origin_that_is_none_is_refused(self):
        for origin in ("192.0.2.300", "192.0.2.0/33", "2001:db8::z", "alice", "192.0.2.7:x"):
            done = self.run_audit("--from", origin, "/dev/null")
            self.assertEqual((done.returncode, done.stdout), (2, ""), origin)
            self.assertIn(f"a device's id, not '{origin}'\n", done.stderr)

    def test_a_word_that_is_none_is_refused_with_the_one_that_was_meant(self):
        for arguments, said in ((("--what", "logn"), "--what: there is no 'logn'; did you mean 'login'?"),
                                (("--what", "ptu"), "--what: there is no 'ptu'; did you mean 'put'?"),
                                (("--what", "something"), "--what: there is no 'something'; there is login, pair, exec, put, "),
                                (("--result", "foo"), "--result: there is no 'foo'; there is ok, begun, error (any), or "),
                                (("--result", "eror"), "--result: there is no 'eror'; did you mean 'error'?"),
                                (("--result", "EDENID"), "--result: there is no 'EDENID'; did you mean 'EDENIED'?")):
            done = self.run_audit(*arguments, "/dev/null")
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(said, done.stderr)
        for arguments in (("--result", "ly_erole"), ("--result", "erole"), ("--result", "OK"), ("--result", "ECONNRESET"), ("--what", "session_kill")):
            self.assertEqual(self.run_audit(*arguments, "/dev/null").returncode, 0)

    def test_commands_and_results(self):
        self.write_three()
        self.assertEqual(self.what("--what", "put"), ["put"])
        self.assertEqual(self.what("--result", "ok"), ["exec"])
        self.assertEqual(self.what("--result", "error"), ["login", "put"])
        self.assertEqual(self.what("--result", "edenied"), ["login"])
        self.assertEqual(self.what("--result", "LY_EDENIED"), ["login"])
        self.assertEqual(self.what("--result", "ENOSPC", "--user", "bob"), ["put"])
        self.assertEqual(self.what("--result", "ENOSPC", "--user", "alice"), [])

    def test_times(self):
        self.write_three()
        self.assertEqual(self.what("--since", "2026-11-21T10:00"), ["login", "put"])
        self.assertEqual(self.what("--until", "2026-11-21 10:00:00"), ["exec"])
        self.assertEqual(self.what("--since", "2026-11-21T09:30Z", "--until", "2026-11-21T10:30"), ["login"])
        self.assertEqual(self.what("--since", "2026-11-22"), [])

    def test_times_ago(self):
        self.write(line(EXEC, ago(days=3)), line(LOGIN, ago(minutes=90)), line(PUT, ago(seconds=20)))
        self.assertEqual(self.what("--since", "-1h"), ["put"])
        self.assertEqual(self.what("--since=-2h"), ["login", "put"])
        self.assertEqual(self.what("--since", "-4d", "--until", "-2d"), ["exec"])
        self.assertEqual(self.what("--since", "-1.5s"), [])

    def test_what_is_no_time_is_a_usage_error(self):
        self.write_three()
        for time in ("yesterday", "1h", "-1w", "2026-02-30", "2026-11-21T25:00", ""):
            result = self.run_audit("--since", time)
            self.assertEqual((result.returncode, result.stdout), (2, ""), time)
            self.assertIn("--since is a time such as", result.stderr)


class Files(Audit):
    def test_without_a_trail_that_is_said(self):
        result = self.run_audit()
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertEqual(result.stderr, f"lanyard audit: there is no audit trail yet: {self.trail} does not exist\n")

    def test_without_a_state_directory_too(self):
        self.environment["LANYARD_STATE"] = f"{self.state}/none"
        result = self.run_audit()
        self.assertEqual(result.returncode, 1)
        self.assertIn("there is no audit trail yet", result.stderr)

    def test_a_state_directory_that_is_open_to_others_is_not_trusted(self):
        self.write_three()
        self.state.chmod(0o777)
        result = self.run_audit()
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn(str(self.state), result.stderr)

    def test_several_files_are_one_table(self):
        self.write(line(EXEC))
        older = self.state / "audit.jsonl.1"
        older.write_text(line(LOGIN))
        result = self.run_audit(str(older), str(self.trail))
        self.assertEqual([row.split()[0] for row in result.stdout.splitlines()], ["TIME", "2026-11-21", "2026-11-21"])

    def test_a_file_that_cannot_be_read_is_said_and_the_others_are_shown(self):
        self.write(line(EXEC))
        result = self.run_audit("/nowhere\x1b", str(self.state), str(self.trail), "--json")
        self.assertEqual(result.returncode, 1)
        self.assertIn(r"lanyard audit: /nowhere\x1b: no such file", result.stderr.lower())
        self.assertIn(f"lanyard audit: {self.state}: is a directory", result.stderr.lower())
        self.assertEqual(json.loads(result.stdout)["what"], "exec")

    def test_standard_input_is_a_file(self):
        result = self.run_audit("--json", "-", input=line(EXEC) + line(LOGIN))
        self.assertEqual(result.stdout.count("\n"), 2)

    def test_output_that_cannot_be_written_is_a_failure(self):
        self.write_three()
        with open("/dev/full", "w", encoding="ascii") as full:
            result = subprocess.run([PROGRAM, "audit"], env=self.environment, stdout=full, timeout=PATIENCE, check=False)
        self.assertEqual(result.returncode, 1)


class Follow(Audit):
    def start(self, *arguments):
        process = subprocess.Popen([PROGRAM, "audit", "--json", "--follow", *arguments], env=self.environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, PATIENCE)
        self.addCleanup(process.kill)
        return process

    def next(self, process):
        text = b""
        while not text.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
            self.assertTrue(ready, "nothing came")
            byte = process.stdout.read(1)
            self.assertTrue(byte, "the end came")
            text += byte
        return json.loads(text)["what"]

    def test_records_are_shown_as_they_come(self):
        self.write(line(EXEC))
        process = self.start()
        self.assertEqual(self.next(process), "exec")
        self.write(line(LOGIN), mode="a")
        self.assertEqual(self.next(process), "login")
        self.write(line(PUT)[:30], mode="a")
        self.write(line(PUT)[30:], mode="a")
        self.assertEqual(self.next(process), "put")

    def test_filters_hold(self):
        self.write(line(EXEC))
        process = self.start("--result", "error")
        self.write(line(LOGIN), line(EXEC), mode="a")
        self.write(line(PUT), mode="a")
        self.assertEqual([self.next(process), self.next(process)], ["login", "put"])

    def test_a_trail_that_is_begun_anew_is_followed(self):
        self.write(line(EXEC))
        process = self.start()
        self.assertEqual(self.next(process), "exec")
        for _ in range(3):
            older = self.trail.rename(self.state / "audit.jsonl.1")
            with open(older, "a", encoding="ascii") as f:
                f.write(line(LOGIN))
            self.assertEqual(self.next(process), "login")
            self.write(line(PUT))
            self.assertEqual(self.next(process), "put")

    def test_a_trail_that_does_not_exist_yet_is_waited_for(self):
        process = self.start()
        (self.state / "other").touch()
        self.write(line(EXEC))
        self.assertEqual(self.next(process), "exec")

    def test_a_trail_that_is_emptied_is_read_from_its_beginning(self):
        self.write(line(EXEC), line(LOGIN))
        process = self.start()
        self.assertEqual([self.next(process), self.next(process)], ["exec", "login"])
        self.write(line(PUT))
        self.assertEqual(self.next(process), "put")

    def test_who_reads_no_more_ends_it(self):
        self.write(line(EXEC))
        process = self.start()
        self.assertEqual(self.next(process), "exec")
        process.stdout.close()
        self.assertNotEqual(process.wait(PATIENCE), 0)

    def test_only_one_file_is_followed(self):
        for files in (["a", "b"], ["-"]):
            result = self.run_audit("--follow", *files)
            self.assertEqual(result.returncode, 2)
            self.assertIn("--follow takes one file", result.stderr)

    def test_a_directory_that_is_missing_is_said(self):
        result = self.run_audit("--follow", f"{self.state}/none/x")
        self.assertEqual(result.returncode, 1)
        self.assertIn("no such file", result.stderr.lower())


if __name__ == "__main__":
    unittest.main()
