# SPDX-License-Identifier: MIT
"""Trees of which a part is on the other side already: what an interrupted transfer leaves."""

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
import time
import unittest

from files_case import SANITIZED, ProgramCase, litter
from peer import PATIENCE, PROGRAM, Server, cli

FILES = 400 if SANITIZED else 4000


class Trees(ProgramCase):
    def make(self, top):
        """A tree of several levels, with an old time on everything."""
        top = pathlib.Path(top)
        for name in ("a", "b", "c/d/e", "c/d/f", "c/g"):
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode() * 1000)
        (top / "c/l").symlink_to("../a")
        (top / "c/script").write_bytes(b"#!/bin/sh\n")
        (top / "c/script").chmod(0o755)
        self.age(top)
        return top

    def age(self, top):
        for folder, names, others in os.walk(top, topdown=False):
            for name in names + others:
                os.utime(os.path.join(folder, name), (1, 1700000000), follow_symlinks=False)
        os.utime(top, (1, 1700000000))

    def listing(self, top):
        found = {}
        for path in sorted(pathlib.Path(top).rglob("*")):
            st = path.lstat()
            found[str(path.relative_to(top))] = (st.st_mode, st.st_mtime_ns, st.st_size if path.is_file() else 0)
        return found

    def result(self, *arguments):
        """The numbers of a transfer that succeeds: (files, same)."""
        done = cli(*arguments, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        end = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual(end["failed"], 0)
        return end["files"], end["same"]

    def both_ways(self):
        """(arguments of a transfer of a tree, its source, its target) for put and get."""
        yield ["put", "-T", self.make(self.here / "t"), self.there("t")], self.here / "t", self.root / "t"
        yield ["get", "-T", self.there("u"), self.here / "u"], self.make(self.root / "u"), self.here / "u"

    def test_a_tree_is_not_copied_into_itself(self):
        tree = self.make(self.root / "t")
        (tree / "in/t").mkdir(parents=True)
        for arguments, name in (
            (["get", self.there("t"), tree / "in"], "t/in/t"),
            (["get", "-T", self.there("t"), tree / "in"], "t/in"),
            (["put", tree, self.there("t/in")], f"{tree}/in/t"),
            (["put", "-T", tree, self.there("t/in")], f"{tree}/in"),
        ):
            with self.subTest(arguments):
                done = cli(*arguments)
                self.assertEqual(done.returncode, 23, done.stderr)
                self.assertEqual(done.stderr.decode(), f"lanyard {arguments[0]}: {name}: a directory is not copied into itself\n")
        self.assertEqual((tree / "in/t/a").read_bytes(), (tree / "a").read_bytes())
        self.assertFalse((tree / "in/t/in/t").exists())

    def test_what_is_there_is_left_out_and_what_differs_is_not(self):
        for arguments, source, target in self.both_ways():
            with self.subTest(arguments[0]):
                self.assertEqual(self.result(*arguments), (6, 0))
                self.assertEqual(self.result(*arguments), (0, 6))
                (target / "a").write_bytes(b"longer or shorter")
                (target / "b").write_bytes((target / "b").read_bytes().upper())  # another time
                (target / "c/script").chmod(0o644)
                shutil.rmtree(target / "c/d")
                (target / "c/l").unlink()
                (target / "more").write_bytes(b"stays")
                self.assertEqual(self.result(*arguments), (5, 1))
                self.assertEqual((target / "more").read_bytes(), b"stays")
                (target / "more").unlink()
                os.utime(target, (1, 1700000000))
                self.same(source, target)
                self.assertEqual(self.listing(source), self.listing(target))

    def test_all_sends_what_is_there_too(self):
        for arguments, source, target in self.both_ways():
            with self.subTest(arguments[0]):
                self.result(*arguments)
                (target / "a").write_bytes((target / "a").read_bytes().upper())
                self.age(target)
                self.assertEqual(self.result(*arguments), (0, 6))
                self.assertEqual(self.result(*arguments, "--all"), (6, 0))
                self.same(source, target)

    def test_a_tree_goes_into_its_like_only_when_it_is_told_to(self):
        tree = self.make(self.here / "t")
        self.run_ok("put", tree, self.there())
        self.assertEqual(self.result("put", tree, self.there()), (0, 6))
        self.assertEqual(self.result("put", tree, self.there("t")), (6, 0))
        self.same(tree, self.root / "t/t")
        self.assertEqual(cli("put", "-T", tree, tree, self.there("t")).returncode, 2)

    def test_a_file_in_the_place_of_the_whole_tree_is_told(self):
        tree = self.here / "t"
        tree.mkdir()
        (tree / "list").write_bytes(b"content")
        self.run_ok("put", tree, self.there())
        done = cli("put", "-T", tree, self.there("t/list"), "--json")  # whose listing is one entry of that name
        self.assertEqual(done.returncode, 23)
        self.assertIn(b"lanyard put: t/list: cannot be written there: not a directory\n", done.stderr)
        end = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual((end["files"], end["same"]), (0, 0))

    def test_files_in_the_place_of_directories_and_the_reverse_are_told(self):
        for arguments, source, target in self.both_ways():
            with self.subTest(arguments[0]):
                self.result(*arguments)
                (target / "a").unlink()
                (target / "a").mkdir()
                shutil.rmtree(target / "c/d")
                (target / "c/d").write_bytes(b"")
                done = cli(*arguments)
                self.assertEqual(done.returncode, 23)
                self.assertRegex(done.stderr, rb"(?m)[ /]a: ")
                self.assertRegex(done.stderr, rb"(?m)[ /]c/d(/e)?: ")
                self.assertEqual(((target / "a").is_dir(), (target / "c/d").is_file()), (True, True))

    def test_links_where_directories_were_are_not_followed(self):
        for arguments, source, target in self.both_ways():
            with self.subTest(arguments[0]):
                self.result(*arguments)
                shutil.rmtree(target / "c")
                outside = pathlib.Path(tempfile.mkdtemp(prefix="ly-outside"))
                self.addCleanup(shutil.rmtree, outside)
                (target / "c").symlink_to(outside)
                self.assertEqual(cli(*arguments).returncode, 23)
                self.assertEqual(os.listdir(outside), [])

    def test_special_files_are_left_out_and_told(self):
        for arguments, source, target in self.both_ways():
            with self.subTest(arguments[0]):
                os.mkfifo(source / "c/fifo")
                for times in range(2):
                    done = cli(*arguments, "--json")
                    self.assertEqual(done.returncode, 0)
                    self.assertRegex(done.stderr, rb"^lanyard \w+: \S*[tu]/c/fifo: left out: no file, directory or link\n$")
                    self.assertEqual(json.loads(done.stdout.splitlines()[-1])["left_out"], 1)
                self.assertFalse((target / "c/fifo").exists())

    def test_a_large_file_that_is_there_is_left_out(self):
        (self.root / "d").mkdir()
        big = self.here / "big"
        big.write_bytes(bytes(3 << 20))
        self.assertEqual(self.result("put", big, self.there("d")), (1, 0))
        self.assertEqual(self.result("put", big, self.there("d")), (0, 1))
        self.assertEqual(self.result("get", self.there("d/big"), self.here), (0, 1))
        self.assertEqual(self.result("get", "--all", self.there("d/big"), self.here), (1, 0))

    def many(self, top):
        pathlib.Path(top).mkdir()
        for d in range(10):
            folder = pathlib.Path(top) / f"d{d}"
            folder.mkdir()
            for n in range(FILES // 10):
                (folder / str(n)).write_bytes(struct.pack("<Q", d * FILES + n) * 500)
        with open(pathlib.Path(top) / "d5/big", "wb") as f:
            f.truncate(64 << 20)
        self.age(top)
        return pathlib.Path(top)

    def cut_short(self, target, kill, *arguments):
        """Start, and kill when a part has arrived: whether it was a part only."""
        client = subprocess.Popen([PROGRAM, *arguments], stderr=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while client.poll() is None and time.monotonic() < end:
            try:
                if len(os.listdir(target)) >= 3:
                    break
            except FileNotFoundError:
                pass
            os.sched_yield()
        kill(client)
        client.wait(PATIENCE)

    def settle(self):
        """Wait until nobody else is served, so that nobody writes any more: the server learns of a death a little later."""
        connection, end = self.connect(), time.monotonic() + PATIENCE
        while True:
            connection.send({"cmd": "sessions", "id": 1})
            if connection.receive()[1].count(b"\n") == 1:
                return
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def go_on(self, arguments, source, target):
        self.settle()
        here = len([p for p in target.rglob("*") if p.is_file() and not p.name.endswith("lanyard-partial")])
        files, same = self.result(*arguments)
        self.assertEqual((files + same, same), (FILES + 1, here))
        self.same(source, target)
        self.assertEqual(self.listing(source), self.listing(target))
        self.assertEqual(litter(target), [])

    def test_a_killed_put_of_a_tree_goes_on(self):
        source, target = self.many(self.here / "many"), self.root / "many"
        arguments = ["put", "-T", str(source), self.there("many")]
        self.cut_short(target, lambda client: client.kill(), *arguments)
        self.go_on(arguments, source, target)

    def test_a_killed_get_of_a_tree_goes_on(self):
        source, target = self.many(self.root / "many"), self.here / "many"
        arguments = ["get", "-T", self.there("many"), str(target)]
        self.cut_short(target, lambda client: client.kill(), *arguments)
        self.go_on(arguments, source, target)

    def test_a_put_of_a_tree_whose_server_dies_goes_on_and_says_how(self):
        source = self.many(self.here / "many")
        other = Server().ready()
        self.addCleanup(other.remove)
        arguments = ["put", str(source), f"{other.address}:many"]
        self.cut_short(other.root / "many", lambda client: other.stop(signal.SIGKILL), *arguments)
        shutil.copytree(other.root, self.root, symlinks=True, dirs_exist_ok=True)
        self.go_on(["put", "-T", str(source), self.there("many")], source, self.root / "many")
        done = cli("put", str(source), f"{other.address}:many")
        self.assertEqual(done.returncode, 255)

    def test_a_file_that_vanishes_while_a_tree_is_walked_fails_alone(self):
        source = self.many(self.here / "many")
        stop = threading.Event()

        def remove():
            for path in sorted(source.rglob("[0-9]*")):
                if stop.is_set():
                    return
                path.unlink()

        remover = threading.Thread(target=remove)
        remover.start()
        done = cli("put", str(source), self.there("many"), "--json")
        stop.set()
        remover.join()
        end = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual(done.returncode, 23 if end["failed"] else 0)
        self.assertEqual(done.stderr.count(b"no such file"), end["failed"])
        there = [p for p in (self.root / "many").rglob("*") if p.is_file()]
        self.assertEqual(len(there), end["files"])

    def deep(self, top):
        """A directory whose path is nearly as long as one may be, and longer still as it is sent; gives its descriptor."""
        here = os.open(top, os.O_PATH)
        for _ in range(16):
            os.mkdir("\u00e9" * 120, dir_fd=here)
            below = os.open("\u00e9" * 120, os.O_PATH, dir_fd=here)
            os.close(here)
            here = below
        self.addCleanup(os.close, here)
        return here

    def test_what_is_missing_under_long_paths_is_not_asked_for_all_at_once(self):
        for top in (self.root / "t", self.here / "t"):
            top.mkdir()
        there, here = self.deep(self.root / "t"), self.deep(self.here / "t")
        for name in range(64):
            with open(str(name), "wb", opener=lambda *a: os.open(*a, 0o644, dir_fd=there)) as f:
                f.write(struct.pack("<I", name) * 16000)
        self.assertEqual(self.result("get", "-T", self.there("t"), self.here / "t"), (64, 0))
        with open("63", "rb", opener=lambda *a: os.open(*a, dir_fd=here)) as f:
            self.assertEqual(f.read(), struct.pack("<I", 63) * 16000)


class HostileListing(unittest.TestCase):
    """A server whose listing does not keep to the protocol."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ly-evil"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "here/x").mkdir(parents=True)
        (self.folder / "secret").write_bytes(b"secret")

    def serve(self, listing):
        """Answer stat with a directory, ls with the listing, anything else with an error that names its path."""
        path = self.folder / "s"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        entry = {"name": "x", "type": "dir", "mode": 0o755, "mtime_ns": 5}

        def send(end, header):
            text = json.dumps(header).encode()
            end.sendall(struct.pack("<i", len(text)) + text)

        def answer():
            end, _ = listener.accept()
            with end, listener, end.makefile("rb") as stream:
                while len(head := stream.read(4)) == 4:
                    request = json.loads(stream.read(struct.unpack("<i", head)[0]))
                    number = {"id": request["id"]}
                    self.asked.append(request.get("path"))
                    if request["cmd"] == "stat":
                        send(end, number | {"ok": True, "entry": entry})
                    elif request["cmd"] == "ls" and listing is None:
                        send(end, number | {"error": "EACCES", "text": "no", "path": request["path"]})
                    elif request["cmd"] == "ls":
                        for one in listing:
                            send(end, number | {"entry": one})
                        send(end, number | {"ok": True, "count": len(listing)})
                    else:
                        send(end, number | {"error": "ENOENT", "text": "no", "path": request["path"]})
                        send(end, number | {"ok": True, "files": 0, "bytes": 0, "failed": 1})

        self.asked = []
        thread = threading.Thread(target=answer)
        thread.start()
        self.addCleanup(thread.join)
        return f"unix:{path}:x"

    def test_names_that_lead_out_or_are_not_allowed_are_not_asked_for(self):
        names = ["../secret", "..", ".", "", "/etc/passwd", "a/b", "a\nb", "n" * 300]
        listing = [{"name": name, "type": "dir", "mode": 511, "mtime_ns": 1} for name in names]
        listing += [{"name": name, "type": "file", "mode": 511, "mtime_ns": 1, "size": 6} for name in names]
        done = cli("get", "-T", self.serve(listing), self.folder / "here/x")
        self.assertEqual(done.returncode, 23)
        self.assertEqual((os.listdir(self.folder / "here"), os.listdir(self.folder / "here/x")), (["x"], []))
        self.assertEqual(set(self.asked), {"x"})
        self.assertNotIn(b"a\nb", done.stderr)

    def test_a_directory_that_cannot_be_listed_is_an_event_too(self):
        done = cli("get", "--json", "-T", self.serve(None), self.folder / "here/x")
        self.assertEqual(done.returncode, 23)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([e.get("error", e.get("failed")) for e in events if e["event"] != "progress"], ["EACCES", 1])

    def test_entries_of_the_wrong_shape_do_no_harm(self):
        listing = [{}, {"name": 5}, {"name": "f"}, {"name": "g", "type": "file", "size": -1},
                   {"name": "h", "type": "file", "size": "6", "mode": [], "mtime_ns": None},
                   {"name": "i", "type": "no such type"}, {"name": "d", "type": "dir", "mode": "x"}]
        (self.folder / "here/x/h").write_bytes(b"old")
        (self.folder / "here/x/d").mkdir()
        done = cli("get", "-T", self.serve(listing), self.folder / "here/x")
        self.assertIn(done.returncode, (23, 255))
        self.assertEqual((self.folder / "here/x/h").read_bytes(), b"old")


if __name__ == "__main__":
    unittest.main()
