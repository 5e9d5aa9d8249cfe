# SPDX-License-Identifier: MIT
"""lanyard user and lanyard devices, on stores of their own."""

import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import sqlite3
import stat
import subprocess
import tempfile
import termios
import unittest

PROGRAM = os.environ["LANYARD"]
PATIENCE = 60  # seconds for anything that should happen at once
PASSWORD = "correct horse"


class Users(unittest.TestCase):
    def setUp(self):
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="ly"))
        self.addCleanup(shutil.rmtree, self.state)
        self.store = self.state / "users.db"
        self.environment = os.environ | {"LANYARD_STATE": str(self.state)}

    def run_program(self, *arguments, text="", environment=None):
        """Outside of any terminal."""
        return subprocess.run([PROGRAM, *arguments], env=environment or self.environment, input=text, capture_output=True,
                              text=True, timeout=PATIENCE, check=False, start_new_session=True)

    def user(self, *arguments, **kwargs):
        return self.run_program("user", *arguments, **kwargs)

    def add(self, name, *arguments):
        done = self.user("add", name, "--no-password", *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def listed(self, *command):
        done = self.run_program(*(command or ("user", "list")), "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [json.loads(line) for line in done.stdout.splitlines()]

    def assert_refused(self, done, status, words):
        self.assertEqual((done.returncode, done.stdout), (status, ""))
        self.assertIn(words, done.stderr)


class Adding(Users):
    def test_a_user_is_listed_as_added(self):
        done = self.user("add", "ada", "--password-stdin", "--roles", "read,exec", "--directory", "/tmp/..", "--account",
                         "root", "--sessions", "2", "--bandwidth", "3M", text=PASSWORD + "\n")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        ada, = self.listed()
        self.assertTrue(ada.pop("created") > 1700000000)
        self.assertEqual(ada, {"name": "ada", "roles": ["read", "exec"], "disabled": False, "password": True, "devices": 0,
                               "account": "root", "directory": "/", "sessions": 2, "bandwidth": 3 << 20, "login": 0})

    def test_without_roles_a_user_may_read(self):
        self.add("ada")
        self.assertEqual(self.listed()[0]["roles"], ["read"])

    def test_a_name_is_given_once(self):
        self.add("ada")
        self.assert_refused(self.user("add", "ada", "--no-password"), 1, "there is a user ada already")

    def test_a_name_that_would_need_quoting_is_refused_and_escaped(self):
        for name in ("a b", "a/b", "a@b", "pair/X", "\x1b[2Ja", "x" * 65, ""):
            done = self.user("add", "--no-password", name)
            self.assert_refused(done, 1, "cannot be a user's name")
            self.assertNotIn("\x1b", done.stderr)
        self.assertFalse(self.store.exists())

    def test_the_file_is_for_its_owner_alone(self):
        self.add("ada")
        self.assertEqual(stat.S_IMODE(self.store.stat().st_mode), 0o600)

    def test_words_that_are_no_roles_are_a_usage_error(self):
        for roles in ("root", "", "read,", "read,read", "Read"):
            self.assert_refused(self.user("add", "ada", "--no-password", "--roles", roles), 2, "roles are")

    def test_numbers_directories_and_accounts_that_are_none_are_usage_errors(self):
        for option, value in (("--sessions", "-1"), ("--sessions", "x"), ("--bandwidth", "1T"), ("--bandwidth", "-1"),
                              ("--bandwidth", "99999999G"), ("--directory", "/no/such"), ("--account", "no such account")):
            done = self.user("add", "ada", "--no-password", option, value)
            self.assertEqual((option, value, done.returncode), (option, value, 2))
            self.assertNotEqual(done.stderr, "")

    def test_a_directory_that_the_settings_do_not_serve_is_pointed_out(self):
        served = self.state / "served"
        (served / "ada").mkdir(parents=True)
        settings = self.environment | {"LANYARD_SERVE_ROOT": str(served)}
        for command in (("add", "ada", "--no-password"), ("role", "ada")):
            done = self.user(*command, "--directory", "/tmp/..", environment=settings)
            self.assertEqual((done.returncode, done.stdout), (0, ""))
            self.assertIn(f"/ is not below {served}", done.stderr)
        done = self.user("role", "ada", "--directory", str(served / "ada"), environment=settings)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


class Passwords(Users):
    def keys(self, name="ada"):
        connection = sqlite3.connect(self.store)
        self.addCleanup(connection.close)
        return connection.execute("SELECT salt, stored_key, server_key FROM users WHERE name = ?", (name,)).fetchone()

    def test_a_password_comes_from_standard_input_or_a_file_without_its_line_end(self):
        self.assertEqual(self.user("add", "ada", "--password-stdin", text=PASSWORD + "\n").returncode, 0)
        before = self.keys()
        for content in (PASSWORD, PASSWORD + "\r\n", PASSWORD + "\nmore\n"):
            file = self.state / "password"
            file.write_text(content)
            done = self.user("passwd", "ada", "--password-file", str(file))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(self.keys(), before)
        self.assertEqual(self.user("passwd", "ada", "--password-stdin", text="another one").returncode, 0)
        self.assertNotEqual(self.keys(), before)

    def test_the_password_itself_is_not_in_the_store(self):
        self.user("add", "ada", "--password-stdin", text=PASSWORD)
        for file in self.state.iterdir():
            self.assertNotIn(PASSWORD.encode(), file.read_bytes())

    def test_a_password_that_is_too_short_too_long_or_no_text_is_refused(self):
        file = self.state / "password"
        for content, words in ((b"seven77", "at least 8 characters"), (b"\n", "at least 8 characters"),
                               (b"", "no password in"), (b"x" * 1025, "more than 1024 bytes"), (b"pass\tword", "UTF-8"),
                               (b"pass\xffword", "UTF-8"), (b"pass\0word", "zero byte")):
            file.write_bytes(content)
            self.assert_refused(self.user("add", "ada", "--password-file", str(file)), 1, words)
        self.assertEqual(self.listed(), [])

    def test_a_password_is_never_an_argument(self):
        for arguments in (("ada", PASSWORD), ("ada", "--password", PASSWORD), ("ada", "--password=" + PASSWORD)):
            self.assertEqual(self.user("add", *arguments).returncode, 2)

    def test_without_a_terminal_and_without_a_source_there_is_no_password(self):
        self.assert_refused(self.user("add", "ada"), 1, "there is no terminal")

    def test_of_who_is_not_there_no_password_is_asked(self):
        self.add("ada")
        self.assert_refused(self.user("passwd", "eve"), 1, "there is no user eve")

    def test_a_password_can_be_taken_away(self):
        self.user("add", "ada", "--password-stdin", text=PASSWORD)
        self.assertEqual(self.user("passwd", "ada", "--no-password").returncode, 0)
        self.assertFalse(self.listed()[0]["password"])
        self.assertEqual(self.keys(), (None, None, None))


class Prompt(Users):
    def begin(self, *arguments):
        """The program on a terminal of its own."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(PROGRAM, [PROGRAM, "user", *arguments], self.environment)
        self.addCleanup(os.close, terminal)
        self.terminal, self.pid, self.seen = terminal, pid, ""

    def wait_for(self, words):
        while words not in self.seen:
            self.assertTrue(select.select([self.terminal], [], [], PATIENCE)[0], self.seen)
            self.seen += os.read(self.terminal, 4096).decode()
        self.seen = self.seen.partition(words)[2]

    def echoes(self):
        return bool(termios.tcgetattr(self.terminal)[3] & termios.ECHO)

    def end(self):
        try:
            while True:
                self.seen += os.read(self.terminal, 4096).decode()
        except OSError:
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def test_it_is_asked_for_twice_and_never_shown(self):
        self.begin("add", "ada")
        self.wait_for("New password of ada: ")
        self.assertFalse(self.echoes())
        os.write(self.terminal, PASSWORD.encode() + b"\n")
        self.wait_for("The same once more: ")
        os.write(self.terminal, PASSWORD.encode() + b"\n")
        self.assertEqual(self.end(), 0)
        self.assertNotIn("horse", self.seen)
        self.assertTrue(self.listed()[0]["password"])

    def test_two_that_differ_change_nothing(self):
        self.begin("add", "ada")
        self.wait_for("New password of ada: ")
        os.write(self.terminal, PASSWORD.encode() + b"\n")
        self.wait_for("The same once more: ")
        os.write(self.terminal, b"correct house\n")
        self.assertEqual(self.end(), 1)
        self.assertIn("differ", self.seen)
        self.assertEqual(self.listed(), [])

    def test_an_interrupt_gives_the_terminal_back_as_it_was(self):
        self.begin("add", "ada")
        self.wait_for("New password of ada: ")
        self.assertFalse(self.echoes())
        os.write(self.terminal, b"half\x03")
        self.wait_for("\n")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), -signal.SIGINT)
        self.assertTrue(self.echoes())

    def test_the_end_of_input_is_no_password(self):
        self.begin("add", "ada")
        self.wait_for("New password of ada: ")
        os.write(self.terminal, b"\x04")
        self.assertEqual(self.end(), 1)
        self.assertIn("there is no password in the terminal", self.seen)


class Changing(Users):
    def test_roles_are_replaced_and_the_rest_stays(self):
        self.add("ada", "--roles", "all", "--sessions", "3")
        self.assertEqual(self.user("role", "ada", "chat,read").returncode, 0)
        ada, = self.listed()
        self.assertEqual((ada["roles"], ada["sessions"]), (["read", "chat"], 3))
        done = self.user("role", "ada", "--sessions", "0", "--json")
        self.assertEqual(json.loads(done.stdout)["sessions"], 0)
        self.assertEqual(json.loads(done.stdout)["roles"], ["read", "chat"])

    def test_a_change_of_nothing_is_a_usage_error(self):
        self.add("ada")
        self.assert_refused(self.user("role", "ada"), 2, "say what the user may do")

    def test_a_user_is_disabled_and_enabled(self):
        self.add("ada")
        self.assertEqual(self.user("disable", "ada").returncode, 0)
        self.assertTrue(self.listed()[0]["disabled"])
        self.assertIn("disabled", self.user("list").stdout)
        self.assert_refused(self.user("pair", "ada"), 1, "is disabled")
        self.assertEqual(self.user("enable", "ada").returncode, 0)
        self.assertFalse(self.listed()[0]["disabled"])

    def test_a_user_is_removed(self):
        self.add("ada")
        self.add("bob")
        self.assertEqual(self.user("remove", "ada").returncode, 0)
        self.assertEqual([u["name"] for u in self.listed()], ["bob"])

    def test_who_is_not_there_is_said_to_be_missing(self):
        self.add("ada")
        for command in (("role", "eve", "read"), ("disable", "eve"), ("enable", "eve"), ("remove", "eve"), ("pair", "eve")):
            self.assert_refused(self.user(*command), 1, "there is no user eve")
        self.assert_refused(self.run_program("devices", "list", "eve"), 1, "there is no user eve")

    def test_the_list_is_a_table_by_name(self):
        self.add("eve")
        self.add("ada", "--roles", "all")
        lines = self.user("list").stdout.splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "ROLES", "DEVICES", "LAST", "LOGIN"])
        self.assertEqual(lines[1].split()[:4], ["ada", "read,write,exec,chat,admin", "0", "never"])
        self.assertEqual(lines[2].split()[0], "eve")

    def test_output_that_cannot_be_written_is_a_failure(self):
        self.add("ada")
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([PROGRAM, "user", "list"], env=self.environment, stdout=full, stderr=subprocess.PIPE,
                                  timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 1)


class Pairing(Users):
    def test_a_code_is_shown(self):
        self.add("ada")
        done = self.user("pair", "ada")
        self.assertRegex(done.stdout, r"\A[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}\n\Z")
        shown = json.loads(self.user("pair", "ada", "--json").stdout)
        self.assertEqual((shown["user"], shown["seconds"]), ("ada", 600))
        self.assertNotEqual(shown["code"], done.stdout.strip())

    def test_a_label_that_would_need_escaping_is_refused(self):
        self.add("ada")
        for label in ("a\x1b[2J", "a\\b", "x" * 65):
            self.assert_refused(self.user("pair", "ada", "--label", label), 1, "a label has at most 64 bytes")

    def test_a_code_is_not_in_the_store(self):
        self.add("ada")
        code = self.user("pair", "ada").stdout.strip()
        secret = "".join(code.split("-")[1:])
        for file in self.state.iterdir():
            self.assertNotIn(secret.encode(), file.read_bytes())


class Devices(Users):
    KEY = bytes(range(32))

    def setUp(self):
        super().setUp()
        self.add("ada")
        self.add("bob")
        connection = sqlite3.connect(self.store)
        connection.executemany("INSERT INTO devices (user, key, label, created) SELECT id, ?, ?, 1700000000 FROM users"
                               " WHERE name = ?", [(self.KEY, "laptop", "ada"), (self.KEY[::-1], "board", "bob")])
        connection.commit()
        connection.close()

    def test_devices_are_listed_of_one_user_or_of_all(self):
        self.assertEqual([d["label"] for d in self.listed("devices")], ["laptop", "board"])
        board, = self.listed("devices", "list", "bob")
        self.assertRegex(board.pop("id"), r"\A\d{5}(-\d{5}){7}\Z")
        self.assertEqual(board, {"device": 2, "user": "bob", "label": "board", "created": 1700000000, "seen": 0})
        lines = self.run_program("devices").stdout.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertIn("2023-11-14 22:13:20Z", lines[1])
        self.assertEqual(self.listed()[0]["devices"], 1)

    def test_a_device_is_revoked_by_its_number_or_its_id(self):
        self.assertEqual(self.run_program("devices", "revoke", "1").returncode, 0)
        board, = self.listed("devices")
        self.assertEqual(self.run_program("devices", "revoke", board["id"]).returncode, 0)
        self.assertEqual(self.listed("devices"), [])

    def test_a_device_that_is_not_there_is_said_to_be_missing(self):
        self.assert_refused(self.run_program("devices", "revoke", "3"), 1, "there is no device 3")
        absent = "-".join(["00000"] * 8)
        self.assert_refused(self.run_program("devices", "revoke", absent), 1, "there is no device 00000")
        self.assert_refused(self.run_program("devices", "revoke", "laptop"), 2, "by its number or its id")
        self.assertEqual(len(self.listed("devices")), 2)


class Trouble(Users):
    """A store that cannot be used is said to be, and nothing is made in its place."""

    def test_where_there_is_none_yet(self):
        self.assert_refused(self.user("list"), 1, "there is none yet; 'lanyard user add' makes it")
        self.assertFalse(self.store.exists())

    def test_a_damaged_one(self):
        self.store.write_bytes(b"x" * 5000)
        self.store.chmod(0o600)
        self.assert_refused(self.user("list"), 1, "damaged")
        self.assert_refused(self.user("add", "ada", "--no-password"), 1, "damaged")
        self.assertEqual(self.store.read_bytes(), b"x" * 5000)

    def test_one_that_others_may_read(self):
        self.add("ada")
        self.store.chmod(0o644)
        self.assert_refused(self.user("list"), 1, "chmod 600")

    def test_a_newer_one(self):
        self.add("ada")
        connection = sqlite3.connect(self.store)
        connection.execute("PRAGMA user_version = 1000")
        connection.close()
        self.assert_refused(self.user("add", "bob", "--no-password"), 1, "newer version")

    def test_a_locked_one(self):
        self.add("ada")
        connection = sqlite3.connect(self.store, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        self.assert_refused(self.user("add", "bob", "--no-password"), 1, "locked")
        connection.execute("ROLLBACK")
        connection.close()

    @unittest.skipUnless("LY_INJECT" in os.environ, "a sanitized program cannot be preloaded into")
    def test_a_full_disk(self):
        self.add("ada")
        environment = self.environment | {"LD_PRELOAD": os.environ["LY_INJECT"], "LY_FAULT_CALL": "pwrite",
                                          "LY_FAULT_NTH": "1+", "LY_FAULT_ERRNO": "ENOSPC"}
        for command in (("add", "bob", "--no-password"), ("remove", "ada"), ("disable", "ada")):
            done = subprocess.run([os.environ["LANYARD_DYNAMIC"], "user", *command], env=environment, capture_output=True,
                                  text=True, timeout=PATIENCE, check=False)
            self.assert_refused(done, 1, "no space left on device")
        self.assertEqual([(u["name"], u["disabled"]) for u in self.listed()], [("ada", False)])

    def test_a_state_directory_that_is_no_absolute_path(self):
        environment = self.environment | {"LANYARD_STATE": "here"}
        self.assert_refused(self.user("list", environment=environment), 1, "not an absolute path")

    def test_a_state_directory_that_others_can_write_to(self):
        self.state.chmod(0o777)
        self.assert_refused(self.user("list"), 1, "others may write to it")


class CommandLines(Users):
    def test_help_lists_the_commands_and_each_has_its_own(self):
        for group in ("user", "devices"):
            done = self.run_program(group, "--help")
            self.assertEqual(done.returncode, 0)
            words = re.findall(r"^  ([a-z]+) ", done.stdout, re.MULTILINE)
            self.assertGreaterEqual(len(words), 2)
            for word in words:
                done = self.run_program(group, word, "--help")
                self.assertEqual(done.returncode, 0)
                self.assertIn(f"Usage: lanyard {group} {word}", done.stdout)

    def test_what_is_no_command_is_a_usage_error(self):
        self.assert_refused(self.user("frob"), 2, "there is no 'frob'; 'lanyard user --help' lists what there is")
        self.assert_refused(self.user("ad"), 2, "there is no 'ad'; did you mean 'add'?")
        self.assert_refused(self.user(), 2, "Usage")
        self.assert_refused(self.user("add"), 2, "name the user")
        self.assert_refused(self.user("add", "a", "b", "--no-password"), 2, "Too many arguments")
        self.assert_refused(self.user("add", "a", "--no-password", "--password-stdin"), 2, "excludes")
        self.assertFalse(self.store.exists())


if __name__ == "__main__":
    unittest.main()
