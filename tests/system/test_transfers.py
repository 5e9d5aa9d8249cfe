# SPDX-License-Identifier: MIT
"""Files, by the program."""

import filecmp
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

from files_case import BIG, PARTIAL, SANITIZED, ProgramCase, litter, small, xxh3
from peer import PATIENCE, PROGRAM, Connection, Server, cli, size_of


class Program(ProgramCase):
    def test_a_large_tree_goes_there_and_back_unchanged(self):
        tree = "/usr/include/linux" if SANITIZED else "/usr/include"
        self.run_ok("put", tree, self.there("inc"))
        self.same(tree, self.root / "inc")
        self.run_ok("get", self.there("inc"), self.here / "back")
        self.same(tree, self.here / "back")
        for folder in (self.root / "inc", self.here / "back"):
            for sub in ("", "linux", "asm-generic"):
                a, b = os.path.join(tree, sub), os.path.join(folder, sub)
                if os.path.exists(a):
                    self.assertEqual((os.stat(a).st_mtime_ns, os.stat(a).st_mode), (os.stat(b).st_mtime_ns, os.stat(b).st_mode))

    def test_names_of_any_bytes_survive_both_ways(self):
        source = self.here / "s"
        source.mkdir()
        for name in (b"\xff\xfe", b"a b", b"\xc3\xa4", "\u202e".encode(), b'"\\', b"-rf", b"%2F", b"\xed\xa0\x80", b"n" * 255):
            with open(os.path.join(os.fsencode(source), name), "wb") as f:
                f.write(name)
        self.run_ok("put", source, self.there("s"))
        self.run_ok("get", self.there("s"), self.here / "back")
        self.same(source, self.root / "s")
        self.same(source, self.here / "back")

    def test_names_with_control_characters_are_reported_escaped_and_the_rest_goes(self):
        source = self.here / "s"
        source.mkdir()
        (source / "evil\033[2J\n").write_bytes(b"x")
        (source / "good").write_bytes(b"y")
        done = cli("put", source, self.there("s"))
        self.assertEqual(done.returncode, 23)
        self.assertNotIn(b"\033", done.stderr)
        self.assertIn(b"\\x1b[2J\\n", done.stderr)
        self.assertEqual(os.listdir(self.root / "s"), ["good"])

    def test_several_sources_go_into_a_directory(self):
        for name in "abc":
            (self.here / name).write_bytes(name.encode())
        (self.root / "d").mkdir()
        self.run_ok("put", *(self.here / n for n in "abc"), self.there("d"))
        self.assertEqual(sorted(os.listdir(self.root / "d")), ["a", "b", "c"])
        (self.here / "back").mkdir()
        self.run_ok("get", *(self.there("d/" + n) for n in "abc"), self.here / "back")
        self.assertEqual(filecmp.cmpfiles(self.here, self.here / "back", "abc", shallow=False)[0], list("abc"))
        done = cli("put", self.here / "a", self.here / "b", self.there("none"))
        self.assertEqual((done.returncode, done.stdout), (23, b""))
        self.assertIn(b"none: no such file", done.stderr)
        self.run_ok("put", "-p", self.here / "a", self.here / "b", self.there("new/two"))
        self.run_ok("put", "-p", self.here / "a", self.there("new/one/"))
        self.assertEqual((sorted(os.listdir(self.root / "new/two")), os.listdir(self.root / "new/one")), (["a", "b"], ["a"]))

    def test_failures_are_told_by_path_and_status_23(self):
        self.write("f")
        done = cli("get", self.there("none"), self.there("f"), self.here)
        self.assertEqual(done.returncode, 23)
        self.assertIn(b"none: no such file or directory", done.stderr)
        self.assertEqual((self.here / "f").read_bytes(), b"content")
        done = cli("put", self.here / "missing", self.there("x"))
        self.assertEqual(done.returncode, 23)
        self.assertIn(b"missing: no such file or directory", done.stderr)

    def test_what_is_no_file_directory_or_link_fails_when_it_is_asked_for(self):
        os.mkfifo(self.root / "fifo")
        done = cli("get", self.there("fifo"), self.here)
        self.assertEqual((done.returncode, done.stderr), (23, b"lanyard get: fifo: no file, directory or link\n"))
        done = cli("put", "/dev/null", self.there("null"))
        self.assertEqual((done.returncode, done.stderr), (23, b"lanyard put: /dev/null: no file, directory or link\n"))
        self.assertEqual((os.listdir(self.here), os.listdir(self.root)), ([], ["fifo"]))

    def test_a_device_or_a_pipe_is_not_replaced_by_get(self):
        self.write("f")
        (self.root / "f").write_bytes(b"new")
        fifo, link, out = self.here / "fifo", self.here / "link", self.here / "out"
        os.mkfifo(fifo)
        link.symlink_to("fifo")
        out.symlink_to("/proc/self/fd/1")
        for path in (fifo, link, out):
            done = cli("get", self.there("f"), path)
            self.assertEqual((done.returncode, done.stderr), (
                2, f"lanyard get: {path}: no file, directory or link; it would be replaced, not written to\n".encode()))
        self.assertTrue(fifo.is_fifo() and link.is_symlink() and out.is_symlink())
        other = self.here / "other"
        other.symlink_to("f")
        self.run_ok("get", self.there("f"), other)
        self.assertEqual((other.is_symlink(), other.read_bytes()), (False, b"new"))

    def test_a_pipe_or_a_socket_there_is_not_replaced_by_put(self):
        tree = self.here / "tree"
        tree.mkdir()
        (self.root / "tree").mkdir()
        for name, content in (("small", b"new"), ("large", b"new" * 100_000), ("fine", b"new")):
            (tree / name).write_bytes(content)
            os.mkfifo(self.root / name)
        (tree / "link").symlink_to("fine")
        (self.root / "fine").unlink()
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(self.root / "link"))
        said = "a pipe, socket or device has this name; it is not replaced"
        for name in ("small", "large", "link"):
            done = cli("put", tree / name, self.there(name))
            self.assertEqual((done.returncode, done.stderr.decode()), (23, f"lanyard put: {name}: {said}\n"))
            (self.root / name).rename(self.root / "tree" / name)
        done = cli("put", "-T", tree, self.there("tree"))
        self.assertEqual((done.returncode, done.stderr.decode().count(said)), (23, 3))
        self.assertTrue((self.root / "tree/small").is_fifo() and (self.root / "tree/large").is_fifo() and (self.root / "tree/link").is_socket())
        self.assertEqual((sorted(os.listdir(self.root / "tree")), (self.root / "tree/fine").read_bytes()), (["fine", "large", "link", "small"], b"new"))

    def test_ls_puts_no_title_above_what_it_cannot_list(self):
        (self.root / "d").mkdir()
        done = cli("ls", self.there("none"), self.there("d"))
        self.assertEqual((done.returncode, done.stdout), (1, self.there("d").encode() + b":\n"))

    def test_what_is_missing_is_no_failure_of_rm_when_told_so(self):
        self.write("f")
        self.assertEqual(cli("rm", self.there("no"), self.there("f")).returncode, 1)
        self.run_ok("rm", "-f", self.there("no"))
        self.assertEqual(os.listdir(self.root), [])

    def test_the_served_directory_itself_is_not_removed_and_that_is_said(self):
        for top in ("", ".", "./."):
            done = cli("rm", "-r", self.there(top))
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"the served directory itself cannot be removed", done.stderr)

    def test_a_machine_without_a_path_means_its_top(self):
        self.write("f")
        self.assertEqual(self.run_ok("ls", "-a1", self.server.address), b"f\n")
        self.run_ok("put", "/etc/hosts", self.server.address)
        self.assertEqual(sorted(os.listdir(self.root)), ["f", "hosts"])

    def test_a_colon_that_was_forgotten_is_asked_for(self):
        environment = os.environ | {"LANYARD_HOST": self.server.address}
        for arguments in (["put", "/etc/hosts", "hosts"], ["get", "f", str(self.here)]):
            done = cli(*arguments, env=environment)
            self.assertEqual(done.returncode, 2)
            self.assertIn(b"on the server it is :", done.stderr)
        self.assertEqual(os.listdir(self.root), [])

    def test_a_source_of_put_that_is_there_is_told_from_one_that_is_missing(self):
        self.write("f")
        done = cli("put", self.there("f"), self.there("g"))
        self.assertEqual((done.returncode, os.listdir(self.root)), (2, ["f"]))
        self.assertIn(b"a source is on this machine", done.stderr)
        subprocess.run(["touch", ":odd"], cwd=self.here, check=True)
        self.assertEqual(cli("put", ":odd", self.there(), cwd=self.here).returncode, 0)
        self.assertEqual(sorted(os.listdir(self.root)), [":odd", "f"])

    def test_a_destination_here_that_cannot_be_is_status_2(self):
        self.write("f")
        for destination, why in (("no/f", b"no such file"), ("no/", b"no such file"), ("file/", b"not a directory")):
            (self.here / "file").touch()
            done = cli("get", self.there("f"), f"{self.here}/{destination}")
            self.assertEqual(done.returncode, 2)
            self.assertIn(os.fsencode(f"{self.here}/{destination}: ") + why, done.stderr)
        self.assertEqual(os.listdir(self.here), ["file"])

    def test_mv_names_both_places(self):
        self.write("d/f")
        self.write("g")
        for source, target, why in (("d", "g", "not a directory"), ("d", "d/e", "a directory cannot be moved into itself"),
                                    ("g", "no/g", "no such file or directory")):
            done = cli("mv", self.there(source), target)
            self.assertEqual((done.returncode, done.stderr.decode()), (1, f"lanyard mv: {source} to {target}: {why}\n"))

    def test_no_connection_is_status_255(self):
        done = cli("get", f"unix:{self.here}/nothing:f", self.here)
        self.assertEqual(done.returncode, 255)
        self.assertIn(b"cannot connect", done.stderr)

    def test_events_are_json_objects_a_line(self):
        self.write("f")
        lines = [json.loads(line) for line in cli("get", "--json", self.there("f"), self.there("none"), self.here).stdout.splitlines()]
        lines = [line for line in lines if line["event"] != "progress"]  # one comes each second
        self.assertEqual([line["event"] for line in lines], ["failed", "done"])
        self.assertEqual((lines[0]["path"], lines[0]["error"]), ("none", "ENOENT"))
        self.assertEqual((lines[1]["files"], lines[1]["bytes"], lines[1]["failed"]), (1, 7, 1))

    def test_the_small_commands_do_as_their_names_say(self):
        self.run_ok("mkdir", "-p", self.there("a/b"))
        self.write("a/f", b"12345")
        self.assertEqual(self.run_ok("ls", self.there("a")), b"b\nf\n")
        self.assertRegex(self.run_ok("ls", "-l", self.there("a")), rb"(?m)^-rw-r--r-- +5 \S+ \S+ f$")
        self.assertEqual(json.loads(self.run_ok("stat", "--json", self.there("a/f")))["size"], 5)
        self.run_ok("mv", self.there("a/f"), "a/b")
        self.assertTrue((self.root / "a/b/f").is_file())
        self.assertEqual(cli("rm", self.there("a")).returncode, 1)
        self.run_ok("rm", "-r", self.there("a"))
        self.assertEqual(os.listdir(self.root), [])

    def complete(self, word):
        """What the completion for bash offers for a word of 'lanyard ls'."""
        script = r'''compopt() { :; }; lanyard() { "$LANYARD" "$@"; }; . "$LY_SOURCE/packaging/bash-completion/lanyard"
            COMP_WORDS=(lanyard ls "$1") COMP_CWORD=2 COMP_LINE="lanyard ls $1" COMP_POINT=$((11 + ${#1}))
            _lanyard; printf '%s\n' "${COMPREPLY[@]}"'''
        environment = {**os.environ, "LANYARD": PROGRAM, "LANYARD_HOST": self.server.address}
        done = subprocess.run(["bash", "-c", script, "bash", word], env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.stderr, "")
        return done.stdout.splitlines()

    def test_values_behind_an_equals_sign_are_completed(self):
        for words, found in ((("--reactor", ""), ["epoll", "io_uring", "poll", "select"]), (("--reactor", "=", "e"), ["epoll"]),
                             (("--log-format", "="), ["logfmt", "json"])):
            done = subprocess.run(["bash", "-c", r"""compopt() { :; }; . "$LY_SOURCE/packaging/bash-completion/lanyard"
                COMP_WORDS=(lanyard serve "$@") COMP_CWORD=$(($# + 1)) COMP_LINE= COMP_POINT=0
                _lanyard; printf '%s\n' "${COMPREPLY[@]}" """, "bash", *words], capture_output=True, text=True, check=False)
            self.assertEqual((done.stdout.splitlines(), done.stderr), (found, ""))

    def test_options_of_exec_are_completed_before_its_dashes_only(self):
        for line, has_some in (("lanyard exec --", True), ("lanyard exec -- ls --", False)):
            words = line.split()
            done = subprocess.run(["bash", "-c", r"""compopt() { :; }; lanyard() { "$LANYARD" "$@"; }
                . "$LY_SOURCE/packaging/bash-completion/lanyard"
                COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
                _lanyard; printf '%s\n' "${COMPREPLY[@]}" """, "bash", *words],
                                  env={**os.environ, "LANYARD": PROGRAM}, capture_output=True, text=True, check=False)
            self.assertEqual(("--timeout" in done.stdout.split(), done.stderr), (has_some, ""), line)

    def test_names_there_are_completed(self):
        self.write("dir/sub/f")
        self.write("dir/some name")
        (self.root / "dir/slink").symlink_to("sub")
        self.assertEqual(self.complete(":d"), ["dir/"])
        self.assertEqual(self.complete(":dir/s"), ["dir/slink", "dir/some\\ name", "dir/sub/"])
        self.assertEqual(self.complete(self.there("dir/su")), ["dir/sub/"])

    def big_file(self, folder, megabytes=300):
        path = pathlib.Path(folder) / "big"
        with open(path, "wb") as f:
            for n in range(megabytes):
                f.write(struct.pack("<Q", n) * 131072)
        return path

    def start_and_wait(self, partial, *arguments):
        """Start the client; wait until the partial file has some megabytes."""
        client = subprocess.Popen([PROGRAM, *arguments], stderr=subprocess.DEVNULL)
        while client.poll() is None and size_of(partial) < 4 << 20:
            os.sched_yield()
        return client

    def resume_after(self, client, arguments, target, source):
        """After the interruption: the old file is whole, and the same command again transfers only the rest."""
        self.assertEqual(target.read_bytes(), b"old")
        partial = target.parent / PARTIAL.format("big")
        if client.returncode == 0 or not partial.exists():
            self.skipTest("the transfer was over before it could be interrupted")
        kept = partial.stat().st_size
        done = cli(*arguments, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(json.loads(done.stdout.splitlines()[-1])["bytes"], source.stat().st_size - kept)
        self.assertTrue(filecmp.cmp(source, target, shallow=False))
        self.assertEqual(litter(target.parent), [])

    def test_a_killed_put_is_resumed(self):
        source = self.big_file(self.here)
        target = self.write("big", b"old")
        arguments = ["put", str(source), self.there("big")]
        client = self.start_and_wait(self.root / PARTIAL.format("big"), *arguments)
        client.kill()
        client.wait()
        with self.connect() as connection:  # the server has seen the end once it no longer holds the file
            while connection.ask({"cmd": "put", "id": 1, "path": "big"}).get("ready"):
                connection.send({"id": 1, "path": "", "type": "file", "offset": 1}, b"x")
                connection.send({"id": 1, "xxh3": xxh3(b"")})
                connection.send({"id": 1, "end": True})
                error = connection.receive()[0]["error"]
                connection.receive()
                if error != "EBUSY":
                    break
        self.resume_after(client, arguments, target, source)

    def test_a_killed_get_is_resumed(self):
        source = self.big_file(self.root)
        target = self.here / "big"
        target.write_bytes(b"old")
        arguments = ["get", self.there("big"), str(target)]
        client = self.start_and_wait(self.here / PARTIAL.format("big"), *arguments)
        client.kill()
        client.wait()
        self.resume_after(client, arguments, target, source)

    def test_a_get_whose_server_dies_says_so_and_is_resumed(self):
        source = self.big_file(self.root)
        target = self.here / "big"
        target.write_bytes(b"old")
        other = Server().ready()
        self.addCleanup(other.remove)
        os.link(source, other.root / "big")
        client = self.start_and_wait(self.here / PARTIAL.format("big"), "get", f"{other.address}:big", str(target))
        other.stop(signal.SIGKILL)
        self.assertIn(client.wait(PATIENCE), (0, 255))
        self.resume_after(client, ["get", self.there("big"), str(target)], target, source)

    def test_a_put_whose_server_dies_is_status_255(self):
        source = self.big_file(self.here)
        other = Server().ready()
        self.addCleanup(other.remove)
        client = self.start_and_wait(other.root / PARTIAL.format("big"), "put", str(source), f"{other.address}:big")
        other.stop(signal.SIGKILL)
        self.assertIn(client.wait(PATIENCE), (0, 255))

    @unittest.skipIf(SANITIZED, "takes long under a sanitizer")
    def test_a_file_beyond_4_gib_goes_over_whole(self):
        size = (4 << 30) + 12345
        source = self.root / "sparse"
        source.touch()
        os.truncate(source, size)
        with open(source, "r+b") as f:
            f.seek(size - 5)
            f.write(b"end.\n")
        memory = self.server.memory_peak()
        free = os.statvfs(self.here)
        if free.f_bavail * free.f_frsize < 3 * size:
            self.skipTest("the disk has no room for it")
        self.run_ok("get", self.there("sparse"), self.here / "sparse")
        with open(self.here / "sparse", "rb") as f:
            self.assertEqual(f.seek(0, os.SEEK_END), size)
            f.seek(size - 6)
            self.assertEqual(f.read(), b"\0end.\n")
        self.assertLess(self.server.memory_peak() - memory, 20000)


class Room(unittest.TestCase):
    """A full disk and missing permissions; both need root to be arranged."""

    def setUp(self):
        if os.getuid() != 0:
            self.skipTest("only root can arrange this")
        self.here = pathlib.Path(tempfile.mkdtemp(prefix="ly-room"))
        self.addCleanup(shutil.rmtree, self.here, ignore_errors=True)

    def serve(self, **options):
        server = Server(**options).ready()
        self.addCleanup(server.remove)
        return server

    def small_disk(self, folder):
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False).returncode:
            self.skipTest("nothing can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=False)

    def test_a_full_disk_at_the_server_fails_the_file_and_keeps_the_old_one(self):
        server = self.serve()
        disk = server.root / "disk"
        disk.mkdir()
        self.small_disk(disk)
        (disk / "big").write_bytes(b"old")
        big = self.here / "big"
        big.write_bytes(os.urandom(3 << 20))
        done = cli("put", big, f"{server.address}:disk/big")
        self.assertEqual(done.returncode, 23)
        self.assertIn(b"no space left on device", done.stderr)
        self.assertEqual(((disk / "big").read_bytes(), os.listdir(disk)), (b"old", ["big"]))
        for i in range(40):
            (self.here / f"s{i}").write_bytes(os.urandom(60000))
        done = cli("put", *(self.here / f"s{i}" for i in range(40)), f"{server.address}:disk")
        self.assertEqual(done.returncode, 23)
        self.assertEqual(litter(disk), [])
        for path in disk.glob("s*"):
            self.assertEqual(path.read_bytes(), (self.here / path.name).read_bytes())

    def test_a_full_disk_here_fails_the_file_and_keeps_the_old_one(self):
        server = self.serve()
        (server.root / "big").write_bytes(os.urandom(3 << 20))
        self.small_disk(self.here)
        (self.here / "big").write_bytes(b"old")
        done = cli("get", f"{server.address}:big", self.here)
        self.assertEqual(done.returncode, 23)
        self.assertIn(b"big: cannot be written here: no space left on device", done.stderr)
        self.assertEqual(((self.here / "big").read_bytes(), os.listdir(self.here)), (b"old", ["big"]))

    def test_rm_removes_a_deep_tree_of_an_overlay(self):
        server = self.serve()
        self.small_disk(self.here)
        for name in ("lower", "upper", "work"):
            (self.here / name).mkdir()
        deep = self.here / "lower" / "t"
        for _ in range(20):
            for name in ("a", "b", "c", "d"):
                (deep / name).mkdir(parents=True)
            deep /= "deeper"
        merged = server.root / "merged"
        merged.mkdir()
        layers = ",".join(f"{key}dir={self.here / key}" for key in ("lower", "upper", "work"))
        if subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", merged], capture_output=True, check=False).returncode:
            self.skipTest("there is no overlay file system here")
        self.addCleanup(subprocess.run, ["umount", "-l", merged], check=False)
        with Connection(server.address) as connection:
            self.assertEqual(connection.ask({"cmd": "rm", "id": 1, "path": "merged/t", "recursive": True}),
                             {"id": 1, "ok": True, "count": 100})
        self.assertEqual(os.listdir(merged), [])

    def test_what_the_server_may_not_read_or_write_fails_alone(self):
        script = 'chown -R 65534 "$0"; exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"'
        folder = self.here / "served"
        folder.mkdir()
        folder.chmod(0o755)
        self.here.chmod(0o755)
        address = f"unix:{folder}/s"
        (folder / "t").mkdir()
        (folder / "t/open").write_bytes(b"1")
        with open(self.here / "log", "wb") as log:
            process = subprocess.Popen(["sh", "-c", script, folder, PROGRAM, "serve", "--listen", address, "--root", folder],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        while b"serving" not in (self.here / "log").read_bytes():
            if process.poll() is not None:
                self.skipTest("the program cannot be run by another user here: " + (self.here / "log").read_text())
            os.sched_yield()
        for name, mode in (("secret", 0o600), ("closed", 0o700)):
            path = folder / "t" / name
            path.mkdir() if name == "closed" else path.write_bytes(b"2")
            path.chmod(mode)
            os.chown(path, 0, 0)
        done = cli("get", f"{address}:t", self.here / "got")
        self.assertEqual(done.returncode, 23)
        self.assertIn(b"t/secret: permission denied", done.stderr)
        self.assertIn(b"t/closed: permission denied", done.stderr)
        self.assertEqual((self.here / "got/open").read_bytes(), b"1")
        done = cli("put", "/etc/hostname", f"{address}:t/closed/x")
        self.assertEqual(done.returncode, 23)
        self.assertIn(b"permission denied", done.stderr)


class HostileServer(unittest.TestCase):
    """The client against a server that does not keep to the protocol."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ly-evil"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.here = self.folder / "here"
        self.here.mkdir()

    def serve_once(self, *frames, tail=b""):
        """Answer one get with these frames; gives the address."""
        path = self.folder / "s"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()

        def answer():
            end, _ = listener.accept()
            with end, listener:
                end.recv(65536)
                data = b""
                for header, body in frames:
                    text = json.dumps(header | ({"size": len(body)} if body else {})).encode()
                    data += struct.pack("<i", len(text)) + text + body
                try:
                    end.sendall(data + tail)
                    end.shutdown(socket.SHUT_WR)
                    while end.recv(65536):
                        pass
                except OSError:
                    pass

        thread = threading.Thread(target=answer)
        thread.start()
        self.addCleanup(thread.join)
        return f"unix:{path}"

    def get(self, *frames, what="x", tail=b""):
        return cli("get", "--all", f"{self.serve_once(*frames, tail=tail)}:{what}", self.here)

    END = ({"id": 1, "ok": True, "files": 1, "bytes": 1}, b"")

    def test_names_that_were_not_asked_for_are_refused(self):
        for path in ("y", "../x", "/tmp/x", "x/../../y", "xy", "", "x/a\nb", ".bashrc"):
            with self.subTest(path):
                done = self.get(small(path, b"evil"), self.END)
                self.assertEqual(done.returncode, 23)
                self.assertEqual((list(self.here.iterdir()), sorted(os.listdir(self.folder))), ([], ["here", "s"]))

    def test_links_that_it_sends_are_not_followed(self):
        outside = self.folder / "outside"
        outside.mkdir()
        done = self.get(({"id": 1, "path": "x", "type": "dir"}, b""),
                        ({"id": 1, "path": "x/l", "type": "link", "target": str(outside)}, b""), small("x/l/f", b"evil"),
                        self.END)
        self.assertEqual((done.returncode, list(outside.iterdir())), (23, []))
        done = self.get(({"id": 1, "path": "x", "type": "link", "target": str(outside)}, b""), small("x/f", b"evil"), self.END)
        self.assertEqual((done.returncode, list(outside.iterdir())), (23, []))

    def test_a_wrong_hash_fails_the_file(self):
        done = self.get(({"id": 1, "path": "x", "type": "file", "xxh3": xxh3(b"a")}, b"b"), self.END)
        self.assertEqual((done.returncode, list(self.here.iterdir())), (23, []))
        self.assertIn(b"x: the checksum does not match", done.stderr)

    def test_broken_frames_end_it_with_255(self):
        cases = {
            "nothing": ((), b""),
            "a length that is negative": ((), b"\xff\xff\xff\xff"),
            "no JSON": ((), struct.pack("<i", 4) + b"nope"),
            "another id": (((small("x", b"a")[0] | {"id": 9}, b"a"),), b""),
            "a body that is too short": (((small("x", b"a")),), struct.pack("<i", 60) + b'{"id": 1, "path": "x", "type": "file", "size": 99999999}   x'),
            "a trailer that is missing": ((({"id": 1, "path": "x", "type": "file"}, BIG), self.END), b""),
        }
        for name, (frames, tail) in cases.items():
            with self.subTest(name):
                done = self.get(*frames, tail=tail)
                self.assertEqual(done.returncode, 255)
                self.assertNotEqual(done.stderr, b"")

    def test_its_texts_reach_the_terminal_escaped(self):
        done = self.get(({"id": 1, "error": "ENOENT", "text": "\033[2Jno", "path": "x\033]0;t\007"}, b""), self.END)
        self.assertEqual(done.returncode, 23)
        self.assertNotIn(b"\033", done.stderr)

    def test_a_kind_of_entry_that_there_is_none_of_is_a_question_mark(self):
        entry = {"name": "n", "type": "\033", "size": 1, "mode": 0o640, "mtime_ns": 0}
        done = cli("stat", f"{self.serve_once(({'id': 1, 'ok': True, 'entry': entry}, b''))}:x", env=dict(os.environ, TZ="UTC"))
        self.assertEqual(done.stdout.split(), [b"?rw-r-----", b"1", b"1970-01-01", b"00:00:00", b"n"])

    def test_its_json_is_printed_as_one_line_of_ascii(self):
        entry = b'{"id": 1, "ok": true, "entry": {"name": "\x7f\xc2\x9b\xf0\x9f\x98\x80",\n\r\t"type": "file"}}'
        frame = struct.pack("<i", len(entry)) + entry
        done = cli("stat", "--json", f"{self.serve_once(tail=frame)}:x")
        self.assertEqual(done.stdout, b'{"name": "\\u007f\\u009b\\ud83d\\ude00",   "type": "file"}\n')
        done = cli("ls", "--json", f"{self.serve_once(tail=frame + frame.replace(b'entry', b'other'))}:x")
        self.assertEqual(done.stdout, b'{"name": "\\u007f\\u009b\\ud83d\\ude00",   "type": "file"}\n')

    def test_what_it_says_of_itself_is_printed_as_json_in_ascii_or_not_at_all(self):
        cases = (("status", b'{"version": "\x7f\xc2\x9b"}', 0, b'{"version": "\\u007f\\u009b"}\n'), ("status", b"\033[2J", 1, b""),
                 ("sessions", b'{"user": "\xc2\x9b"}\n\033[2J\n', 0, b'{"user": "\\u009b"}\n'))
        for command, body, status, shown in cases:
            with self.subTest(body):
                done = cli(command, "--json", self.serve_once(({"id": 1, "ok": True}, body)))
                self.assertEqual((done.returncode, done.stdout), (status, shown))


if __name__ == "__main__":
    unittest.main()
