# SPDX-License-Identifier: MIT
"""exec, by the independent client and by the program."""

import base64
import ctypes
import hashlib
import json
import os
import pathlib
import pty
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import tempfile
import unittest

from peer import PATIENCE, PROGRAM, Connection, Server, ServerCase, cli, status_number, wait_for_death

SANITIZED = re.search(rb"__[at]san_init", pathlib.Path(PROGRAM).read_bytes()) is not None


class Protocol(ServerCase):
    """What docs/protocol.md says about exec."""

    def test_output_and_error_arrive_apart_and_whole(self):
        out, err, end = self.connect().run("sh", "-c", "echo one; echo two >&2; echo three")
        self.assertEqual((out, err, end), (b"one\nthree\n", b"two\n", {"id": 1, "exit": 0}))

    def test_frames_come_in_the_order_in_which_they_were_written(self):
        connection = self.connect()
        connection.start({"shell": "for i in 1 2 3 4 5; do echo o$i; read x; echo e$i >&2; read x; done", "stdin": True})
        got = []
        while len(got) < 10:
            header, body = connection.receive()
            got.append((header["stream"], body))
            connection.send({"id": 1, "stream": "in"}, b"\n")
        self.assertEqual(got, [x for i in b"12345" for x in (("out", b"o%c\n" % i), ("err", b"e%c\n" % i))])
        self.assertEqual(connection.receive()[0], {"id": 1, "exit": 0})

    def test_the_started_frame_names_the_process(self):
        connection = self.connect()
        started = connection.start({"shell": "echo $$"})
        out, _, _ = connection.collect()
        self.assertEqual(int(out), started["pid"])

    def test_an_argument_vector_is_passed_as_it_is(self):
        arguments = ["a b", "$HOME", "*", "", "'\"\\", "ä", "\udcff\udc80x", "-n"]
        out, _, _ = self.connect().run("printf", "%s\\0", *arguments)
        self.assertEqual(out, b"".join(os.fsencode(a) + b"\0" for a in arguments))

    def test_an_exit_status_is_passed_on(self):
        for status in (0, 1, 42, 255):
            with self.subTest(status):
                self.assertEqual(self.connect().run("sh", "-c", f"exit {status}")[2], {"id": 1, "exit": status})

    def test_a_signal_is_told_from_a_status(self):
        self.assertEqual(self.connect().run("sh", "-c", "kill -9 $$")[2], {"id": 1, "signal": 9})

    def test_a_connection_serves_one_command_after_the_other(self):
        connection = self.connect()
        for number in range(20):
            self.assertEqual(connection.run("echo", str(number))[0], b"%d\n" % number)
        self.assertEqual(connection.ask({"cmd": "ping", "id": 9}), {"id": 9, "ok": True})

    def test_input_reaches_the_command_and_its_end_too(self):
        connection = self.connect()
        connection.start({"argv": ["cat"], "stdin": True})
        data = os.urandom(3_000_000)
        connection.send({"id": 1, "stream": "in"}, data[:10])
        self.assertEqual(connection.receive(), ({"id": 1, "stream": "out", "size": 10}, data[:10]))
        received = bytearray(data[:10])
        for at in range(10, len(data), 50_000):
            connection.send({"id": 1, "stream": "in"}, data[at:at + 50_000])
            while len(received) + 200_000 < at:
                received += connection.receive()[1]
        connection.send({"id": 1, "stream": "in", "end": True})
        out, _, end = connection.collect()
        self.assertEqual(hashlib.sha256(received + out).digest(), hashlib.sha256(data).digest())
        self.assertEqual(end, {"id": 1, "exit": 0})

    def test_a_body_may_come_with_the_end_of_input(self):
        connection = self.connect()
        connection.start({"argv": ["cat"], "stdin": True})
        connection.send({"id": 1, "stream": "in", "end": True}, b"all")
        self.assertEqual(connection.collect()[0], b"all")

    def test_without_input_the_command_reads_nothing(self):
        self.assertEqual(self.connect().run("cat"), (b"", b"", {"id": 1, "exit": 0}))

    def test_input_that_is_not_wanted_is_dropped(self):
        connection = self.connect()
        connection.start({"shell": "exec <&-; echo closed; sleep 0.2; echo done", "stdin": True})
        self.assertEqual(connection.receive()[1], b"closed\n")
        connection.send({"id": 1, "stream": "in"}, bytes(500_000))
        self.assertEqual(connection.collect()[0], b"done\n")
        self.assertEqual(connection.ask({"cmd": "ping", "id": 2}), {"id": 2, "ok": True})

    def test_frames_for_a_command_that_has_ended_are_dropped(self):
        connection = self.connect()
        connection.run("true")
        connection.send({"id": 1, "stream": "in"}, bytes(100_000))
        connection.send({"id": 1, "kill": 9})
        connection.send({"id": 1, "stream": "in", "end": True})
        self.assertEqual(connection.run("echo", "next")[0], b"next\n")

    def test_a_kill_frame_reaches_the_whole_group(self):
        connection = self.connect()
        connection.start({"shell": "sleep 1000 & echo $!; wait"})
        child = int(connection.receive()[1])
        connection.send({"id": 1, "kill": int(signal.SIGTERM)})
        self.assertEqual(connection.collect()[2], {"id": 1, "signal": 15})
        wait_for_death(child)

    def test_a_time_out_ends_the_command(self):
        self.assertEqual(self.connect().run("sleep", "1000", timeout_ms=50)[2], {"id": 1, "signal": 15, "timeout": True})

    def test_a_command_that_ignores_the_time_out_is_killed(self):
        for timeout_ms in (300, 3000, 30000):
            out, _, end = self.connect().run("sh", "-c", "trap '' TERM; echo set; while :; do sleep 1; done", timeout_ms=timeout_ms)
            if out:  # else the time was over before the shell had come so far as to ignore it
                break
        self.assertEqual((out, end), (b"set\n", {"id": 1, "signal": 9, "timeout": True}))

    def test_a_lost_connection_ends_the_group(self):
        connection = self.connect()
        connection.start({"shell": "sleep 1000 & echo $!; wait"})
        child = int(connection.receive()[1])
        connection.close()
        wait_for_death(child)

    def test_a_half_closed_connection_ends_the_group(self):
        connection = self.connect()
        pid = connection.start({"argv": ["sleep", "1000"]})["pid"]
        connection.socket.shutdown(1)
        wait_for_death(pid)

    def test_a_group_that_ignores_the_hangup_is_killed(self):
        connection = self.connect()
        connection.start({"shell": "trap '' HUP; sh -c 'trap \"\" HUP; echo $$; while :; do sleep 1; done'"})
        child = int(connection.receive()[1])
        connection.close()
        wait_for_death(child)

    def test_a_connection_lost_behind_unread_input_ends_the_command(self):
        connection = self.connect()
        pid = connection.start({"argv": ["sleep", "1000"], "stdin": True})["pid"]
        connection.socket.settimeout(1)
        with self.assertRaises(TimeoutError):  # the command reads nothing: the pipe and the buffers fill
            while True:
                connection.send({"id": 1, "stream": "in"}, bytes(1 << 20))
        connection.close()
        wait_for_death(pid)

    def test_a_connection_lost_behind_unread_output_ends_the_command(self):
        connection = self.connect()
        pid = connection.start({"argv": ["yes"]})["pid"]
        connection.receive()
        connection.close()
        wait_for_death(pid)

    def test_what_a_descendant_keeps_open_does_not_hold_the_end_back(self):
        connection = self.connect()
        connection.start({"shell": "sleep 1000 & echo $!"})
        out, _, end = connection.collect()
        self.assertEqual(end, {"id": 1, "exit": 0})
        os.kill(int(out), signal.SIGKILL)

    def test_all_that_the_command_wrote_comes_before_the_end(self):
        for _ in range(20):
            out, err, end = self.connect().run("sh", "-c", "head -c 300000 /dev/zero; head -c 200000 /dev/zero >&2; sleep 9 & ")
            self.assertEqual((len(out), len(err), end["exit"]), (300000, 200000, 0))

    def test_no_output_frame_is_above_the_limit(self):
        connection = self.connect()
        connection.start({"argv": ["head", "-c", "20000000", "/dev/zero"]})
        total = 0
        while True:
            header, body = connection.receive()
            if "stream" not in header:
                break
            self.assertLessEqual(len(body), 1 << 20)
            total += len(body)
        self.assertEqual(total, 20_000_000)

    def test_the_environment_is_clean(self):
        out, _, _ = self.connect().run("env", env={"LY_X": "1=2", "PATH": "/bin", "LANG": "C", "EMPTY": ""})
        names = dict(line.split("=", 1) for line in out.decode().splitlines())
        self.assertEqual({n: names[n] for n in ("LY_X", "PATH", "LANG", "EMPTY")},
                         {"LY_X": "1=2", "PATH": "/bin", "LANG": "C", "EMPTY": ""})
        self.assertLessEqual(set(names), {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "LY_X", "EMPTY"})

    def test_the_directory_is_the_root_or_what_was_asked_for(self):
        (self.server.root / "sub").mkdir(exist_ok=True)
        root = str(self.server.root)
        for cwd, expected in ((None, root), ("sub", root + "/sub"), (".", root), ("/usr", "/usr")):
            with self.subTest(cwd):
                fields = {} if cwd is None else {"cwd": cwd}
                self.assertEqual(self.connect().run("pwd", **fields)[0].decode().strip(), expected)

    def test_descriptors_and_signals_are_as_a_program_expects(self):
        out, _, _ = self.connect().run("sh", "-c", "ls /proc/self/fd | tr '\\n' ' '; grep -E 'Sig(Blk|Ign)' /proc/self/status")
        self.assertEqual(out.split()[:4], [b"0", b"1", b"2", b"3"])  # 3 is the folder that ls reads
        self.assertEqual(out.split()[4:6], [b"SigBlk:", b"0" * 16])
        self.assertEqual(int(out.split()[7], 16) & ~0x180000000, 0)  # two that are the C library's own

    def test_what_cannot_be_started_is_an_error_and_nothing_else(self):
        for request, error in (
            ({"argv": ["/no/such/program"]}, "ENOENT"), ({"argv": ["no-such-program"]}, "ENOENT"),
            ({"argv": ["/etc/passwd"]}, "EACCES"), ({"argv": ["true"], "cwd": "nowhere"}, "ENOENT"),
            ({"argv": ["true"], "cwd": "/etc/passwd"}, "ENOTDIR"), ({"argv": ["true", "x" * 140_000][:1], "cwd": "/no"}, "ENOENT"),
        ):
            with self.subTest(request):
                connection = self.connect()
                answer = connection.start(request)
                self.assertEqual(answer["error"], error)
                self.assertIn("path", answer)
                self.assertEqual(connection.ask({"cmd": "ping", "id": 2}), {"id": 2, "ok": True})

    def test_a_name_too_long_to_be_told_leaves_the_connection_open(self):
        for n in (*range(10850, 10950), 30000):  # around the room there is in the answer's header
            with self.subTest(n):
                connection = self.connect()
                text = json.dumps({"cmd": "exec", "id": 1, "argv": ["\u00e9" * n]}, ensure_ascii=False).encode()
                connection.send_bytes(struct.pack("<i", len(text)) + text)
                self.assertEqual(connection.receive()[0]["error"], "ENOENT")
                self.assertEqual(connection.ask({"cmd": "ping", "id": 2}), {"id": 2, "ok": True})

    def test_fields_of_the_wrong_type_are_refused(self):
        for request in ({}, {"argv": []}, {"argv": "ls"}, {"argv": [1]}, {"argv": ["a", None]}, {"shell": 1}, {"shell": ["a"]},
                        {"argv": ["true"], "shell": "true"}, {"argv": ["true"], "cwd": 1}, {"argv": ["true"], "env": []},
                        {"argv": ["true"], "env": {"": "x"}}, {"argv": ["true"], "env": {"a=b": "x"}},
                        {"argv": ["true"], "env": {"a": 1}}, {"argv": ["true"], "stdin": 1}, {"argv": ["true"], "timeout_ms": 0},
                        {"argv": ["true"], "timeout_ms": "1"}, {"argv": ["true"], "timeout_ms": 1.0}):
            with self.subTest(request):
                connection = self.connect()
                self.assertEqual(connection.start(request)["error"], "LY_EFIELD")
                self.assertEqual(connection.ask({"cmd": "ping", "id": 2}), {"id": 2, "ok": True})

    def test_arguments_have_a_limit(self):
        connection = self.connect()
        self.assertEqual(connection.run(*["true"] + ["x"] * 1023)[2], {"id": 1, "exit": 0})
        self.assertEqual(connection.start({"argv": ["true"] + ["x"] * 1024})["error"], "LY_ETOOBIG")

    def test_frames_that_do_not_belong_end_the_command_and_the_connection(self):
        for frame, error in (({"cmd": "ping", "id": 2}, "LY_EFRAME"), ({"id": 1}, "LY_EFIELD"), ({"id": 1, "kill": 0}, "LY_EFIELD"),
                             ({"id": 1, "kill": "9"}, "LY_EFIELD"), ({"id": 1, "stream": "out"}, "LY_EFIELD"),
                             ({"stream": "in"}, "LY_EFIELD"), ({"id": 1, "stream": "in", "end": 1}, "LY_EFIELD")):
            with self.subTest(frame):
                connection = self.connect()
                pid = connection.start({"argv": ["sleep", "1000"], "stdin": True})["pid"]
                connection.send(frame)
                self.assertEqual(connection.receive()[0]["error"], error)
                self.assertTrue(connection.ended())
                wait_for_death(pid)

    def test_a_gigabyte_flows_in_constant_memory(self):
        before = status_number(self.server.pid, "VmRSS")
        connection = self.connect()
        amount = (1 << 30) if not SANITIZED else (1 << 26)
        connection.start({"argv": ["head", "-c", str(amount), "/dev/zero"]})
        total = 0
        while "stream" in (header := connection.receive_head()):
            total += len(connection.read_exactly(header["size"]))
        self.assertEqual((total, header), (amount, {"id": 1, "exit": 0}))
        self.assertLess(status_number(self.server.pid, "VmRSS") - before, 16_000 if not SANITIZED else 64_000)

    def test_a_reader_that_stops_stops_the_command(self):
        connection = self.connect()
        pid = connection.start({"argv": ["yes"]})["pid"]
        connection.receive()
        # It has stopped when it waits and its output count no longer moves between two looks.
        with open(f"/proc/{pid}/io", encoding="ascii") as io, open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            before = None
            while True:
                io.seek(0)
                now = io.read().split("wchar: ")[1].split()[0]
                stat.seek(0)
                state = stat.read().rsplit(")", 1)[1].split()[0]
                if state == "S" and now == before:
                    break
                before = now
                select.select([], [], [], 0.05)
        self.assertLess(int(now), 8_000_000)


class Program(ServerCase):
    """`lanyard exec`."""

    def exec(self, *arguments, **options):
        return cli("exec", self.server.address, *arguments, **options)

    def popen(self, *arguments, **options):
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        process = subprocess.Popen([PROGRAM, "exec", self.server.address, *arguments], **options)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                self.addCleanup(stream.close)
        return process

    def test_output_error_and_status_are_passed_on(self):
        done = self.exec("--", "sh", "-c", "echo out; echo err >&2; exit 7")
        self.assertEqual((done.stdout, done.stderr, done.returncode), (b"out\n", b"err\n", 7))

    def test_a_shell_line_is_run_by_the_shell(self):
        self.assertEqual(self.exec("--shell", "echo $((6*7)) | tr 4 x").stdout, b"x2\n")

    def test_arguments_that_look_like_options_reach_the_command(self):
        self.assertEqual(self.exec("--", "echo", "--help", "--", "-x").stdout, b"--help -- -x\n")

    def test_a_signal_gives_128_and_its_number(self):
        self.assertEqual(self.exec("--shell", "kill -6 $$").returncode, 134)

    def test_directory_and_environment_can_be_set(self):
        done = self.exec("--cwd", "/usr", "--env", "A=b c", "--env", "B=", "--shell", "pwd; echo \"$A|$B\"")
        self.assertEqual(done.stdout, b"/usr\nb c|\n")

    def test_a_time_out_is_told(self):
        done = self.exec("--timeout", "100ms", "--", "sleep", "1000")
        self.assertEqual(done.returncode, 124)
        self.assertRegex(done.stderr, rb"^lanyard exec: .*0\.1 s\n$")

    def test_our_own_failures_are_255_with_one_line(self):
        for arguments, said in ((("exec", "unix:/nowhere/s", "--", "true"), rb"cannot connect to unix:/nowhere/s: no server listens there.*'lanyard serve --listen unix:/nowhere/s'"),
                                (("exec", "udp://x:1", "--", "true"), rb"expected unix:PATH"),
                                (("exec", self.server.address, "--", "/no/program"), rb"/no/program: no such file"),
                                (("exec", self.server.address, "--cwd", "/no\x1b[1m", "--", "true"), rb"/no\\x1b\[1m: no such file")):
            with self.subTest(arguments):
                done = cli(*arguments)
                self.assertEqual((done.returncode, done.stdout), (255, b""))
                self.assertRegex(done.stderr, rb"^lanyard exec: [^\n\x1b]*" + said + rb"[^\n]*\n$")

    def test_what_is_not_understood_is_255_too(self):
        for arguments in ((), ("--",), ("--shell", "a", "--", "b"), ("--timeout", "x", "--", "b"), ("--env", "x", "--", "b"),
                          ("host", "command")):
            with self.subTest(arguments):
                self.assertEqual(cli("exec", *arguments).returncode, 255)

    def test_a_standard_stream_that_is_closed_is_not_the_connection(self):
        for stream, status, said in ((0, 0, b""), (1, 255, b"lanyard exec: cannot write to standard output: bad file descriptor\n"),
                                     (2, 0, b"")):
            with self.subTest(stream):
                done = subprocess.run(["sh", "-c", f'exec "$0" "$@" {stream}>&-', PROGRAM, "exec", self.server.address, "--",
                                       "sh", "-c", "echo out; cat"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (status, b"" if stream == 1 else b"out\n", said))

    def test_a_command_without_its_dashes_is_told_where_it_stands(self):
        for arguments, host in ((("ls", "-l"), ""), (("ls",), ""), (("unix:/nowhere/s", "ls", "-l"), "unix:/nowhere/s "),
                                (("--timeout", "1", "ls", "--color"), "")):
            with self.subTest(arguments):
                self.assertIn(f"the command stands behind --, as in: lanyard exec {host}-- ls\n", cli("exec", *arguments).stderr.decode())
        self.assertIn(b"as in: lanyard exec -- lab ls, or: lanyard exec lab -- ls\n", cli("exec", "lab", "ls", "-l").stderr)
        self.assertIn(b"no command stands behind --, as in: lanyard exec lab -- id\n", cli("exec", "lab", "--").stderr)
        self.assertIn(b"'b' is too much", cli("exec", "unix:/a", "b", "--", "true").stderr)

    def test_options_may_stand_on_either_side_of_the_host(self):
        self.assertEqual(self.exec("--cwd", "/usr", "--", "pwd").stdout, b"/usr\n")
        self.assertEqual(cli("exec", "--cwd", "/usr", self.server.address, "--", "pwd").stdout, b"/usr\n")

    def test_input_is_passed_on_to_its_end(self):
        data = os.urandom(5_000_000)
        done = self.exec("--", "sha256sum", input=data)
        self.assertEqual(done.stdout.split()[0].decode(), hashlib.sha256(data).hexdigest())

    def test_input_and_output_flow_at_once(self):
        data = os.urandom(20_000_000)
        done = self.exec("--", "cat", input=data)
        self.assertEqual(hashlib.sha256(done.stdout).digest(), hashlib.sha256(data).digest())

    def test_input_may_be_a_file_or_nothing(self):
        with open("/etc/passwd", "rb") as file:
            self.assertEqual(self.exec("--", "cat", stdin=file).stdout, pathlib.Path("/etc/passwd").read_bytes())
        self.assertEqual(self.exec("--", "cat").stdout, b"")
        with open("/etc/passwd", "rb") as file:
            self.assertEqual(self.exec("--no-stdin", "--", "cat", stdin=file).stdout, b"")
        closed = subprocess.run(["sh", "-c", '"$@" <&-', "sh", PROGRAM, "exec", self.server.address, "--", "cat"],
                                capture_output=True, timeout=PATIENCE, check=False)
        self.assertEqual((closed.returncode, closed.stdout), (0, b""))

    def test_input_goes_on_as_it_comes(self):
        process = self.popen("--", "cat")
        for line in (b"a\n", b"b\n"):
            process.stdin.write(line)
            process.stdin.flush()
            self.assertEqual(process.stdout.readline(), line)
        process.stdin.close()
        self.assertEqual(process.wait(PATIENCE), 0)

    def test_output_that_nobody_reads_does_not_hold_up_the_input(self):
        process = self.popen("--shell", "head -c 9000000 /dev/zero & head -c 9000000 >/dev/null; echo read >&2; wait")
        process.stdin.write(bytes(9_000_000))  # more than all buffers on the way hold
        process.stdin.close()
        self.assertEqual(len(process.stdout.read()), 9_000_000)
        self.assertEqual(process.stderr.read(), b"read\n")

    def test_descriptors_shared_with_others_stay_blocking(self):
        read, write = os.pipe()
        process = self.popen("--", "head", "-c", "1", stdin=read)
        os.write(write, b"x")
        self.assertEqual(process.stdout.read(), b"x")
        process.wait(PATIENCE)
        self.assertTrue(os.get_blocking(read))
        os.close(read)
        os.close(write)

    def test_a_closed_output_ends_the_command(self):
        process = self.popen("--shell", "echo $$; exec yes")
        pid = int(process.stdout.readline())
        process.stdout.close()
        self.assertEqual(process.wait(PATIENCE), 141)
        self.assertEqual(process.stderr.read(), b"")
        wait_for_death(pid)

    def test_a_full_disk_is_told(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([PROGRAM, "exec", self.server.address, "--", "echo", "x"], stdin=subprocess.DEVNULL,
                                  stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 255)
        self.assertIn(b"no space left", done.stderr)

    def test_an_interrupt_is_passed_on(self):
        process = self.popen("--shell", "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.1; done")
        self.assertEqual(process.stdout.readline(), b"ready\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.stdout.read(), b"caught\n")
        self.assertEqual(process.wait(PATIENCE), 3)

    def test_a_second_interrupt_ends_at_once_and_the_command_too(self):
        process = self.popen("--shell", "trap 'echo caught' INT; echo $$; while :; do sleep 0.1; done")
        pid = int(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.stdout.readline(), b"caught\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE), 130)
        wait_for_death(pid)

    def test_a_killed_client_ends_the_command(self):
        process = self.popen("--shell", "echo $$; exec sleep 1000")
        pid = int(process.stdout.readline())
        process.kill()
        wait_for_death(pid)

    def test_a_terminal_as_input_and_output_works(self):
        leader, follower = pty.openpty()
        process = subprocess.Popen([PROGRAM, "exec", self.server.address, "--", "sh", "-c", "read x; echo got $x"],
                                   stdin=follower, stdout=follower, stderr=follower, start_new_session=True)
        os.close(follower)
        os.write(leader, b"word\n")
        seen = b""
        while b"got word" not in seen:
            seen += os.read(leader, 1000)
        self.assertEqual(process.wait(PATIENCE), 0)
        os.close(leader)

    def test_the_client_needs_little_memory_for_much_output(self):
        process = self.popen("--shell", "head -c 200000000 /dev/zero; echo end; read x")
        size = 0
        while size < 200_000_004:
            size += len(os.read(process.stdout.fileno(), 1 << 20))
        if not SANITIZED:
            self.assertLess(status_number(process.pid, "VmHWM"), 8_000)
        process.stdin.write(b"\n")
        process.stdin.close()
        self.assertEqual(process.wait(PATIENCE), 0)


PIDFD_GETFD = 438  # the same number on every architecture


def socket_of(pid):
    """A process's only TCP socket, as one of ours."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    try:
        for entry in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{entry}").startswith("socket:"):
                fd = libc.syscall(PIDFD_GETFD, pidfd, int(entry), 0)
                if fd < 0:
                    raise OSError(ctypes.get_errno(), "pidfd_getfd")
                return socket.socket(fileno=fd)
        raise LookupError("it has no socket")
    finally:
        os.close(pidfd)


class Patience(unittest.TestCase):
    """A command that reads its input late, or never."""

    def setUp(self):
        server = Server("--listen", "tcp://127.0.0.1:0", "--insecure-loopback", listen=False)
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        self.address = "tcp://" + server.wait_for("tcp://127.0.0.1:").split("tcp://")[1].split()[0].rstrip('"')

    def user_timeout(self, *arguments):
        process = subprocess.Popen([PROGRAM, "exec", self.address, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        process.stdin.write(b"word\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), b"word\n")
        with socket_of(process.pid) as s:
            return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)

    def test_what_it_does_not_read_for_minutes_does_not_end_the_connection(self):
        # The system ends a connection that has such a time and whose peer takes nothing for so long, even if the peer answers.
        self.assertEqual(self.user_timeout("--shell", "read x; echo $x; exec sleep 600"), 0)

    def test_without_input_a_server_that_is_gone_is_missed_after_a_minute(self):
        self.assertEqual(self.user_timeout("--no-stdin", "--shell", "echo word; exec sleep 600"), 60000)


class Many(ServerCase):
    """More commands than the server runs at once."""

    options = ("--max-commands", "50")

    def test_a_thousand_commands_at_once_are_bounded(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        connections = [self.connect() for _ in range(1000)]
        for connection in connections:
            connection.send({"cmd": "exec", "id": 1, "argv": ["sleep", "0.05"]})
        started = refused = 0
        for connection in connections:
            answer = connection.receive()[0]
            if "error" in answer:
                self.assertEqual(answer["error"], "EAGAIN")
                refused += 1
            else:
                started += 1
                self.assertEqual(connection.collect()[2], {"id": 1, "exit": 0})
        self.assertEqual(started + refused, 1000)
        self.assertGreaterEqual(started, 50)
        self.assertEqual(self.connect().run("echo", "on")[0], b"on\n")

    def test_a_place_is_free_again_when_a_client_has_gone(self):
        held = [Connection(self.server.address) for _ in range(50)]
        pids = [connection.start({"argv": ["sleep", "1000"]}).get("pid") for connection in held]
        self.assertNotIn(None, pids)
        self.assertEqual(self.connect().start({"argv": ["true"]})["error"], "EAGAIN")
        for connection in held:
            connection.close()
        for pid in pids:
            wait_for_death(pid)
        connection = self.connect()
        while connection.start({"argv": ["true"]}).get("error") == "EAGAIN":
            select.select([], [], [], 0.05)  # the grace is 2 seconds
        self.assertEqual(connection.collect()[2], {"id": 1, "exit": 0})


class Events(ServerCase):
    """exec --json: what a program reads in place of the output."""

    def events(self, *arguments, status=0, host=None, **options):
        done = cli("exec", "--json", *arguments[:-1], host or self.server.address, *arguments[-1], **options)
        self.assertEqual(done.returncode, status, done.stderr)
        return [json.loads(line) for line in done.stdout.decode("ascii").splitlines()]

    def shell(self, line, *options, **more):
        return self.events(*options, ("--", "sh", "-c", line), **more)

    def joined(self, events, stream):
        return b"".join(base64.b64decode(e["data"], validate=True) if e["encoding"] == "base64" else e["data"].encode()
                        for e in events if e["event"] == stream)

    def test_beginning_output_and_end(self):
        events = self.shell("echo out; exit 3", status=3)
        self.assertEqual([e["event"] for e in events], ["started", "stdout", "end"])
        self.assertGreater(events[0]["pid"], 0)
        self.assertEqual(events[1], {"event": "stdout", "encoding": "utf-8", "data": "out\n"})
        self.assertEqual(events[2]["exit"], 3)
        self.assertGreaterEqual(events[2]["duration_ms"], 0)
        self.assertNotIn("signal", events[2])

    def test_both_streams_and_input(self):
        events = self.shell("cat; echo err >&2", input=b"text\n")
        self.assertEqual((self.joined(events, "stdout"), self.joined(events, "stderr")), (b"text\n", b"err\n"))

    def test_a_signal_and_a_time_out(self):
        self.assertEqual(self.shell("kill -9 $$", status=137)[-1]["signal"], 9)
        last = self.shell("sleep 60", "--timeout", "200ms", status=124)[-1]
        self.assertEqual((last["event"], last["timeout"], last["signal"]), ("end", True, 15))
        self.assertGreaterEqual(last["duration_ms"], 200)

    def test_any_bytes_arrive_whole(self):
        data = os.urandom(700_000) + "\u20ac\U0001f600".encode() * 100_000 + b"\xe2\x82"
        events = self.events(("--", "cat"), input=data)
        self.assertEqual(self.joined(events, "stdout"), data)
        self.assertEqual({e["encoding"] for e in events if e["event"] == "stdout"}, {"utf-8", "base64"})

    def test_a_character_in_two_pieces_is_one(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkfifo(f"{folder}/go")
            process = subprocess.Popen([PROGRAM, "exec", "--json", self.server.address, "--", "sh", "-c",
                                        f"printf 'a\\342'; cat {folder}/go; printf '\\202\\254b'"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            lines = [json.loads(process.stdout.readline()) for _ in range(2)]
            with open(f"{folder}/go", "wb"):
                pass
            lines += [json.loads(line) for line in process.communicate(timeout=PATIENCE)[0].splitlines()]
        self.assertEqual([e.get("data") for e in lines], [None, "a", "\u20acb", None])
        self.assertEqual({e["encoding"] for e in lines[1:3]}, {"utf-8"})

    def test_what_cannot_be_run_or_reached_ends_with_an_error(self):
        events = self.events(("--", "/no/such/program"), status=255)
        self.assertEqual([(e["event"], e["error"]) for e in events], [("error", "ENOENT")])
        events = self.events(("--", "true"), status=255, host="unix:/no/such/socket")
        self.assertEqual([(e["event"], e["error"]) for e in events], [("error", "ENOENT")])

    def test_a_lost_connection_ends_with_an_error(self):
        server = Server().ready()
        self.addCleanup(server.remove)
        process = subprocess.Popen([PROGRAM, "exec", "--json", server.address, "--", "sh", "-c", "echo begun; exec sleep 1000"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual([json.loads(process.stdout.readline())["event"] for _ in range(2)], ["started", "stdout"])
        server.stop(signal.SIGKILL)
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(([json.loads(line)["event"] for line in out.splitlines()], process.returncode), (["error"], 255))
        self.assertIn(b"lost the connection", err)


if __name__ == "__main__":
    unittest.main()
