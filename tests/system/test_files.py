# SPDX-License-Identifier: MIT
"""Files, by the independent client and by the program."""

import ctypes
import filecmp
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import threading
import unittest

from peer import PATIENCE, PROGRAM, Connection, Server, ServerCase, cli

SANITIZED = re.search(rb"__[at]san_init", open(PROGRAM, "rb").read()) is not None
BIG = b"".join(struct.pack("<I", n * 2654435761 % 2**32) for n in range(50000))  # 200,000 bytes
PARTIAL = ".{}.lanyard-partial"


class Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def xxh3(data):
    """XXH3-128 by Debian's library, which apt itself needs."""
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_128bits.restype = Hash128
    library.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    value = library.XXH3_128bits(data, len(data))
    return f"{value.high:016x}{value.low:016x}"


def small(path, body, **fields):
    return {"id": 1, "path": path, "type": "file", "xxh3": xxh3(body)} | fields, body


def litter(folder):
    return sorted(str(p.relative_to(folder)) for p in pathlib.Path(folder).rglob("*.lanyard-partial"))


class FilesCase(ServerCase):
    """A clean root for each test."""

    def setUp(self):
        self.root = self.server.root
        subprocess.run(["chmod", "-R", "u+rwx", self.root], check=True)
        for path in self.root.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def write(self, path, content=b"content"):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def put(self, path, *frames, **fields):
        """A whole put: gives the error frames and the end frame."""
        connection = self.connect()
        answer = connection.ask({"cmd": "put", "id": 1, "path": path} | fields)
        if "ready" not in answer:
            return [answer], None
        for header, body in frames:
            connection.send(header, body)
        connection.send({"id": 1, "end": True})
        errors = []
        while True:
            answer = connection.receive()[0]
            if "error" not in answer or "path" not in answer:
                return errors, answer
            errors.append(answer)

    def get(self, path, **fields):
        """A whole get: gives the frames with their bodies, and the end frame."""
        connection = self.connect()
        connection.send({"cmd": "get", "id": 1, "path": path} | fields)
        frames = []
        while True:
            header, body = connection.receive()
            if "ok" in header:
                return frames, header
            frames.append((header, body))

    def error(self, request):
        return self.connect().ask({"id": 1} | request).get("error")


class Requests(FilesCase):
    """stat, ls, mkdir, rm and mv."""

    def test_stat_tells_type_size_mode_time_and_target(self):
        path = self.write("f", b"hello\n")
        path.chmod(0o640)
        os.utime(path, ns=(0, -1500000000))
        (self.root / "l").symlink_to("../out")
        (self.root / "d").mkdir(mode=0o700)
        ask = self.connect().ask
        self.assertEqual(ask({"cmd": "stat", "id": 1, "path": "f"}),
                         {"id": 1, "ok": True, "entry": {"name": "f", "type": "file", "mode": 0o640,
                                                         "mtime_ns": -1500000000, "size": 6}})
        link = ask({"cmd": "stat", "id": 2, "path": "l"})["entry"]
        self.assertEqual((link["type"], link["target"]), ("link", "../out"))
        folder = ask({"cmd": "stat", "id": 3, "path": "./d//"})["entry"]
        self.assertEqual((folder["name"], folder["type"], folder["mode"]), ("d", "dir", 0o700))
        self.assertEqual(ask({"cmd": "stat", "id": 4, "path": ""})["entry"]["name"], ".")

    def test_ls_gives_every_entry_and_their_number(self):
        names = {f"f{i}" for i in range(3000)} | {os.fsdecode(b"\xff\xfe"), "ä\u202e", "new\nline"}
        for name in names:
            (self.root / name).touch()
        connection = self.connect()
        connection.send({"cmd": "ls", "id": 7, "path": ""})
        got = set()
        while "entry" in (frame := connection.receive()[0]):
            got.add(frame["entry"]["name"])
        self.assertEqual(got, names)
        self.assertEqual(frame, {"id": 7, "ok": True, "count": len(names)})

    def test_ls_of_a_file_gives_that_one_entry(self):
        self.write("d/f")
        connection = self.connect()
        connection.send({"cmd": "ls", "id": 1, "path": "d/f"})
        self.assertEqual(connection.receive()[0]["entry"]["name"], "f")
        self.assertEqual(connection.receive()[0]["count"], 1)

    def test_mkdir_makes_one_or_with_its_parents(self):
        ask = self.connect().ask
        self.assertTrue(ask({"cmd": "mkdir", "id": 1, "path": "a", "mode": 0o700})["ok"])
        self.assertEqual(stat.S_IMODE((self.root / "a").stat().st_mode), 0o700)
        self.assertEqual(ask({"cmd": "mkdir", "id": 2, "path": "a"})["error"], "EEXIST")
        self.assertEqual(ask({"cmd": "mkdir", "id": 3, "path": "x/y/z"})["error"], "ENOENT")
        self.assertTrue(ask({"cmd": "mkdir", "id": 4, "path": "x/y/z", "parents": True})["ok"])
        self.assertTrue(ask({"cmd": "mkdir", "id": 5, "path": "x/y/z", "parents": True})["ok"])
        self.assertTrue((self.root / "x/y/z").is_dir())

    def test_rm_removes_a_tree_and_not_what_its_links_lead_to(self):
        outside = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, outside)
        kept = pathlib.Path(outside, "kept")
        kept.touch()
        self.write("t/a/b")
        self.write("t/c")
        (self.root / "t/out").symlink_to(outside)
        (self.root / "t/a/out").symlink_to(kept)
        self.assertEqual(self.error({"cmd": "rm", "path": "t"}), "EISDIR")
        self.assertEqual(self.connect().ask({"cmd": "rm", "id": 1, "path": "t", "recursive": True}),
                         {"id": 1, "ok": True, "count": 6})
        self.assertFalse((self.root / "t").exists())
        self.assertTrue(kept.exists())

    def test_rm_copes_with_a_tree_deeper_than_there_are_descriptors(self):
        self.assertEqual(subprocess.run(["bash", "-c", "for i in {1..600}; do mkdir d; touch f; cd -P d || exit 1; done"],
                                        cwd=self.root, check=False).returncode, 0)
        answer = self.connect().ask({"cmd": "rm", "id": 1, "path": "d", "recursive": True})
        self.assertEqual(answer.get("count"), 600 + 599)

    def test_the_root_itself_can_be_neither_removed_nor_moved(self):
        self.assertEqual(self.error({"cmd": "rm", "path": "", "recursive": True}), "EBUSY")
        self.assertEqual(self.error({"cmd": "mv", "from": ".", "to": "x"}), "EBUSY")
        self.assertEqual(self.error({"cmd": "mkdir", "path": ""}), "EEXIST")

    def test_mv_renames_and_replaces(self):
        self.write("a", b"new")
        self.write("d/b", b"old")
        self.assertTrue(self.connect().ask({"cmd": "mv", "id": 1, "from": "a", "to": "d/b"})["ok"])
        self.assertEqual((self.root / "d/b").read_bytes(), b"new")
        self.assertEqual(self.error({"cmd": "mv", "from": "none", "to": "x"}), "ENOENT")

    def test_paths_that_lead_out_are_refused_by_every_request(self):
        (self.root / "up").symlink_to("..")
        (self.root / "abs").symlink_to("/tmp")
        self.write("f")
        for path in ("..", "../x", "/etc/passwd", "a/../../b", "up/x", "abs/x", "up/root/f"):
            for request in ({"cmd": "stat", "path": path}, {"cmd": "ls", "path": path}, {"cmd": "mkdir", "path": path},
                            {"cmd": "mkdir", "path": path, "parents": True}, {"cmd": "rm", "path": path, "recursive": True},
                            {"cmd": "mv", "from": path, "to": "x"}, {"cmd": "mv", "from": "f", "to": path},
                            {"cmd": "put", "path": path}, {"cmd": "get", "path": path}, {"cmd": "partial", "path": path}):
                with self.subTest(request):
                    self.assertEqual(self.error(request), "LY_EOUTSIDE")

    def test_names_that_are_not_allowed_are_refused(self):
        for path in ("a\nb", "\x1b[2J", "\x7f", "n" * 256, "d/" * 2048 + "d"):
            with self.subTest(path):
                self.assertEqual(self.error({"cmd": "mkdir", "path": path}), "LY_ENAME")

    def test_a_field_that_is_missing_or_of_the_wrong_type_is_named(self):
        for request in ({"cmd": "stat"}, {"cmd": "ls", "path": 1}, {"cmd": "mv", "from": "a"},
                        {"cmd": "rm", "path": "a", "recursive": 1}, {"cmd": "mkdir", "path": "a", "mode": "7"},
                        {"cmd": "get", "path": "a", "offset": -1}, {"cmd": "get", "path": "a", "offset": 1},
                        {"cmd": "put", "path": "a", "parents": "yes"}, {"cmd": "partial"}):
            with self.subTest(request):
                self.assertEqual(self.error(request), "LY_EFIELD")


class Get(FilesCase):
    def test_a_small_file_comes_with_its_hash_in_front(self):
        self.write("f", b"hello\n")
        (((header, body),), end) = self.get("f")
        self.assertEqual((header["path"], header["type"], header["size"], body), ("f", "file", 6, b"hello\n"))
        self.assertEqual(header["xxh3"], "6bba86c7e069f56d5a10b435f1c8e49c")
        self.assertEqual(end, {"id": 1, "ok": True, "files": 1, "bytes": 6})

    def test_an_empty_file_has_the_hash_of_nothing(self):
        self.write("f", b"")
        (((header, body),), _) = self.get("f")
        self.assertEqual((header["xxh3"], body, header.get("size", 0)), ("99aa06d3014798d86001c324468d497f", b"", 0))

    def test_files_beyond_64_kib_have_a_trailer(self):
        for n, trailer in ((65535, False), (65536, False), (65537, True), (200000, True)):
            with self.subTest(n):
                self.write("f", BIG[:n])
                frames, end = self.get("f")
                self.assertEqual(frames[0][1], BIG[:n])
                self.assertEqual(len(frames), 2 if trailer else 1)
                self.assertEqual(frames[-1][0]["xxh3"], xxh3(BIG[:n]))
                self.assertEqual(end["bytes"], n)

    def test_a_tree_comes_depth_first_without_partial_files_and_special_ones(self):
        for name in ("t/a/1", "t/a/2", "t/b/c/3", "t/4", "t/.x.lanyard-partial"):
            self.write(name, name.encode())
        (self.root / "t/l").symlink_to("/etc")
        os.mkfifo(self.root / "t/fifo")
        frames, end = self.get("t", recursive=True)
        paths = [header["path"] for header, _ in frames]
        self.assertEqual(set(paths), {"t", "t/a", "t/a/1", "t/a/2", "t/b", "t/b/c", "t/b/c/3", "t/4", "t/l"})
        self.assertEqual(paths[0], "t")
        for folder in ("t/a", "t/b", "t/b/c"):
            inside = [i for i, path in enumerate(paths) if path == folder or path.startswith(folder + "/")]
            self.assertEqual(inside, list(range(inside[0], inside[0] + len(inside))))
            self.assertEqual(paths[inside[0]], folder)
        self.assertEqual((end["files"], "failed" in end), (4, False))

    def test_a_directory_needs_recursive_and_a_missing_file_fails_alone(self):
        (self.root / "d").mkdir()
        frames, end = self.get("d")
        self.assertEqual((frames[0][0]["error"], frames[0][0]["path"], end["failed"]), ("EISDIR", "d", 1))
        frames, end = self.get("none")
        self.assertEqual((frames[0][0]["error"], frames[0][0]["path"]), ("ENOENT", "none"))
        self.assertEqual(end, {"id": 1, "ok": True, "files": 0, "bytes": 0, "failed": 1})

    def test_a_file_is_resumed_where_its_beginning_is_the_same(self):
        self.write("f", BIG)
        frames, end = self.get("f", offset=70000, prefix_xxh3=xxh3(BIG[:70000]))
        self.assertEqual((frames[0][0]["offset"], frames[0][1], frames[1][0]["xxh3"]), (70000, BIG[70000:], xxh3(BIG)))
        self.assertEqual(end["bytes"], len(BIG) - 70000)
        for offset, prefix in ((70000, xxh3(b"else")), (len(BIG) + 1, xxh3(BIG))):
            frames, _ = self.get("f", offset=offset, prefix_xxh3=prefix)
            self.assertNotIn("offset", frames[0][0])
            self.assertEqual(frames[0][1], BIG)

    def test_a_file_that_shrinks_is_filled_up_and_its_trailer_says_so(self):
        size = 64 << 20
        path = self.write("f", b"")
        os.truncate(path, size)
        connection = self.connect()
        connection.send({"cmd": "get", "id": 1, "path": "f"})
        self.assertEqual(connection.receive_head()["size"], size)
        os.truncate(path, 1000)
        for _ in range(size >> 20):
            connection.read_exactly(1 << 20)
        trailer, end = connection.receive()[0], connection.receive()[0]
        self.assertEqual((trailer["error"], trailer["path"]), ("LY_ECHANGED", "f"))
        self.assertEqual((end["files"], end["failed"]), (0, 1))

    def test_a_tree_deeper_than_the_descriptors_of_a_walk_arrives(self):
        path = "t" + "/d" * 100
        self.write(path + "/f", b"deep")
        for depth in (10, 20, 50):
            self.write("t" + "/d" * depth + "/z", b"middle")
        frames, end = self.get("t", recursive=True)
        self.assertEqual((end["files"], len(frames)), (4, 105))


class Put(FilesCase):
    def test_files_directories_and_links_arrive_with_modes_and_times(self):
        errors, end = self.put(
            "t", ({"id": 1, "path": "", "type": "dir", "mode": 0o750, "mtime_ns": 10**18}, b""),
            ({"id": 1, "path": "d", "type": "dir", "mode": 0o555, "mtime_ns": 123456789}, b""),
            small("d/f", b"small", mode=0o604, mtime_ns=-1),
            ({"id": 1, "path": "d/l", "type": "link", "target": "/nowhere", "mtime_ns": 5 * 10**9}, b""),
            ({"id": 1, "path": "big", "type": "file", "mode": 0o4777}, BIG), ({"id": 1, "xxh3": xxh3(BIG)}, b""))
        self.assertEqual((errors, end), ([], {"id": 1, "ok": True, "files": 2, "bytes": 5 + len(BIG), "failed": 0}))
        got = {p: os.lstat(self.root / p) for p in ("t", "t/d", "t/d/f", "t/d/l", "t/big")}
        self.assertEqual({p: stat.S_IMODE(s.st_mode) for p, s in got.items() if p != "t/d/l"},
                         {"t": 0o750, "t/d": 0o555, "t/d/f": 0o604, "t/big": 0o777})
        self.assertEqual([got[p].st_mtime_ns for p in ("t", "t/d", "t/d/f", "t/d/l")],
                         [10**18, 123456789, -1, 5 * 10**9])
        self.assertEqual(os.readlink(self.root / "t/d/l"), "/nowhere")
        self.assertEqual((self.root / "t/big").read_bytes(), BIG)

    def test_a_wrong_hash_leaves_the_old_file_and_nothing_else(self):
        for n in (10, len(BIG)):
            with self.subTest(n):
                self.write("f", b"old")
                frames = [({"id": 1, "path": "", "type": "file"}, BIG[:n]), ({"id": 1, "xxh3": xxh3(b"other")}, b"")]
                errors, end = self.put("f", *frames)
                self.assertEqual((errors[0]["error"], errors[0]["path"], end["failed"]), ("LY_ECHECKSUM", "", 1))
                self.assertEqual((self.root / "f").read_bytes(), b"old")
                self.assertEqual(litter(self.root), [])
        errors, _ = self.put("f", ({"id": 1, "path": "", "type": "file", "xxh3": xxh3(b"other")}, b"body"))
        self.assertEqual(errors[0]["error"], "LY_ECHECKSUM")

    def test_a_failed_entry_does_not_disturb_the_others(self):
        (self.root / "t/isdir").mkdir(parents=True)
        errors, end = self.put("t", small("isdir", b"x"), ({"id": 1, "path": "isdir", "type": "file"}, BIG),
                               ({"id": 1, "xxh3": xxh3(BIG)}, b""), small("none/f", b"y"), small("good", b"z"))
        self.assertEqual([(e["path"], e["error"]) for e in errors],
                         [("isdir", "EISDIR"), ("isdir", "EISDIR"), ("none/f", "ENOENT")])
        self.assertEqual((end["files"], end["failed"]), (1, 3))
        self.assertEqual(sorted(os.listdir(self.root / "t")), ["good", "isdir"])

    def test_names_that_lead_out_or_are_not_allowed_fail_alone(self):
        outside = self.server.folder / "outside"
        (self.root / "t").mkdir()
        names = ["../outside", "/tmp/outside", "a/../../outside", "a\nb", "x" * 256, "y/" * 2100]
        errors, end = self.put("t", *(small(name, b"evil") for name in names))
        self.assertEqual([e["error"] for e in errors], ["LY_EOUTSIDE"] * 3 + ["LY_ENAME"] * 3)
        self.assertEqual(end["failed"], 6)
        self.assertFalse(outside.exists())
        self.assertEqual(os.listdir(self.root / "t"), [])

    def test_links_of_the_same_stream_are_not_followed(self):
        outside = self.server.folder / "o"
        outside.mkdir()
        (self.root / "inside").mkdir()
        errors, _ = self.put(
            "t", ({"id": 1, "path": "", "type": "dir"}, b""),
            ({"id": 1, "path": "l", "type": "link", "target": str(outside)}, b""), small("l/f", b"evil"),
            ({"id": 1, "path": "l/d", "type": "dir"}, b""),
            ({"id": 1, "path": "m", "type": "link", "target": "../inside"}, b""), small("m/f", b"evil"),
            ({"id": 1, "path": "m", "type": "dir", "mode": 0}, b""))
        self.assertEqual([e["path"] for e in errors], ["l/f", "l/d", "m/f", "m"])
        self.assertEqual((list(outside.iterdir()), list((self.root / "inside").iterdir())), ([], []))

    def test_a_link_under_a_name_is_replaced_not_followed(self):
        victim = self.server.folder / "victim"
        victim.write_bytes(b"kept")
        for name in ("f", PARTIAL.format("f"), "g", PARTIAL.format("g")):
            (self.root / name).symlink_to(victim)
        self.assertEqual(self.put("f", small("", b"new"))[0], [])
        self.assertEqual(self.put("g", ({"id": 1, "path": "", "type": "file"}, BIG), ({"id": 1, "xxh3": xxh3(BIG)}, b""))[0], [])
        self.assertEqual(victim.read_bytes(), b"kept")
        self.assertEqual((self.root / "f").read_bytes(), b"new")
        self.assertEqual((self.root / "g").read_bytes(), BIG)
        self.assertFalse((self.root / "f").is_symlink() or (self.root / "g").is_symlink())

    def test_a_dangling_link_creates_nothing_at_its_target(self):
        target = self.server.folder / "created"
        (self.root / "d").symlink_to(target)
        (self.root / PARTIAL.format("x")).symlink_to(target)
        self.put("d/f", small("", b"evil"))
        self.put("x", small("", b"fine"))
        self.put("x", ({"id": 1, "path": "", "type": "file"}, BIG), ({"id": 1, "xxh3": xxh3(BIG)}, b""))
        self.assertFalse(target.exists())

    def test_a_hard_link_under_the_temporary_name_is_not_written_through(self):
        victim = self.write("victim", b"kept")
        os.link(victim, self.root / PARTIAL.format("f"))
        self.put("f", ({"id": 1, "path": "", "type": "file"}, BIG), ({"id": 1, "xxh3": xxh3(BIG)}, b""))
        self.assertEqual((victim.read_bytes(), (self.root / "f").read_bytes()), (b"kept", BIG))

    def cut(self, n, announced, path="f"):
        """Begin to put a file and end the connection within it."""
        connection = self.connect()
        connection.ask({"cmd": "put", "id": 1, "path": path})
        text = json.dumps({"id": 1, "path": "", "type": "file", "size": announced}).encode()
        connection.send_bytes(struct.pack("<i", len(text)) + text + BIG[:n])
        connection.socket.shutdown(socket.SHUT_WR)
        while connection.file.read(4096):
            pass
        connection.close()

    def test_an_interrupted_large_file_is_kept_and_resumed(self):
        self.write("f", b"old")
        self.cut(150000, len(BIG))
        self.assertEqual((self.root / "f").read_bytes(), b"old")
        self.assertEqual(self.connect().ask({"cmd": "partial", "id": 3, "path": "f"}),
                         {"id": 3, "ok": True, "offset": 150000, "xxh3": xxh3(BIG[:150000])})
        errors, end = self.put("f", ({"id": 1, "path": "", "type": "file", "offset": 150000}, BIG[150000:]),
                               ({"id": 1, "xxh3": xxh3(BIG)}, b""))
        self.assertEqual((errors, end["bytes"]), ([], len(BIG) - 150000))
        self.assertEqual((self.root / "f").read_bytes(), BIG)
        self.assertEqual(litter(self.root), [])

    def test_an_interrupted_short_file_leaves_nothing(self):
        self.cut(30000, 65536)
        self.assertEqual(list(self.root.iterdir()), [])

    def test_an_offset_that_does_not_fit_the_partial_file_fails(self):
        self.cut(150000, len(BIG))
        for offset in (0, 1, 149999, 150001):
            with self.subTest(offset):
                errors, _ = self.put("f", ({"id": 1, "path": "", "type": "file", "offset": offset}, BIG[offset:]),
                                     ({"id": 1, "xxh3": xxh3(BIG)}, b""))
                self.assertEqual([e["error"] for e in errors], ["LY_ECHANGED"])
        self.assertFalse((self.root / "f").exists())

    def test_partial_answers_0_where_there_is_none(self):
        ask = self.connect().ask
        for path in ("f", "none/f", ""):
            self.assertEqual(ask({"cmd": "partial", "id": 1, "path": path}), {"id": 1, "ok": True, "offset": 0})

    def test_two_transfers_to_one_file_do_not_mix(self):
        first = self.connect()
        first.ask({"cmd": "put", "id": 1, "path": "f"})
        text = json.dumps({"id": 1, "path": "", "type": "file", "size": len(BIG)}).encode()
        first.send_bytes(struct.pack("<i", len(text)) + text + BIG[:180000])
        while not litter(self.root):  # the first has it once its file is there
            os.sched_yield()
        errors, _ = self.put("f", ({"id": 1, "path": "", "type": "file"}, BIG), ({"id": 1, "xxh3": xxh3(BIG)}, b""))
        self.assertEqual(errors[0]["error"], "EBUSY")
        first.send_bytes(BIG[180000:])
        first.send({"id": 1, "xxh3": xxh3(BIG)})
        first.send({"id": 1, "end": True})
        self.assertEqual(first.receive()[0]["files"], 1)
        self.assertEqual((self.root / "f").read_bytes(), BIG)

    def test_a_link_leaves_a_file_that_is_arriving_alone(self):
        self.write("f", b"old")
        first = self.connect()
        first.ask({"cmd": "put", "id": 1, "path": "f"})
        text = json.dumps({"id": 1, "path": "", "type": "file", "size": len(BIG)}).encode()
        first.send_bytes(struct.pack("<i", len(text)) + text + BIG[:180000])
        while not litter(self.root):
            os.sched_yield()
        errors, _ = self.put("f", ({"id": 1, "path": "", "type": "link", "target": "x"}, b""))
        self.assertEqual((errors, os.readlink(self.root / "f")), ([], "x"))
        first.send_bytes(BIG[180000:])
        first.send({"id": 1, "xxh3": xxh3(BIG)})
        first.send({"id": 1, "end": True})
        self.assertEqual(first.receive()[0].get("files"), 1)
        self.assertEqual(((self.root / "f").read_bytes(), litter(self.root)), (BIG, []))

    def test_an_offset_and_a_size_at_their_limits_fail_alone(self):
        connection = self.connect()
        connection.ask({"cmd": "put", "id": 1, "path": "f"})
        connection.send({"id": 1, "path": "", "type": "file", "size": 2**62, "offset": 2**62})
        connection.socket.shutdown(socket.SHUT_WR)
        self.assertTrue(connection.ended())
        self.assertEqual(os.listdir(self.root), [])

    def test_a_senders_own_failure_drops_the_file(self):
        errors, end = self.put("f", ({"id": 1, "path": "", "type": "file"}, BIG),
                               ({"id": 1, "error": "LY_ECHANGED", "text": "changed", "path": ""}, b""))
        self.assertEqual((errors[0]["error"], end["failed"], list(self.root.iterdir())), ("LY_ECHANGED", 1, []))

    def test_names_longer_than_temporary_ones_can_be_are_written(self):
        for n, resumable in ((238, 1), (239, 1), (255, 1)):
            name = "n" * n
            self.cut(150000, len(BIG), name)
            self.assertEqual(len(litter(self.root)), resumable)
            self.assertTrue(all(len(p) <= 255 for p in litter(self.root)))
            self.assertEqual(self.put(name, ({"id": 1, "path": "", "type": "file", "offset": 150000}, BIG[150000:]),
                                      ({"id": 1, "xxh3": xxh3(BIG)}, b""))[0], [])
            self.assertEqual((self.root / name).read_bytes(), BIG)
            self.assertEqual(litter(self.root), [])

    def test_frames_that_have_no_place_in_a_put_end_the_connection(self):
        entry = {"id": 1, "path": "f", "type": "file"}
        for frames in ([({"id": 1, "path": "f", "type": "nonsense"}, b"")], [({"id": 1, "type": "file"}, b"")],
                       [({"id": 2, "path": "f", "type": "file", "xxh3": xxh3(b"")}, b"")],
                       [({"id": 1, "path": "f", "type": "dir"}, b"body")], [({"id": 1, "path": 7, "type": "dir"}, b"")],
                       [({"id": 1, "path": "f", "type": "link"}, b"")],
                       [(entry | {"mode": -1}, b"")], [(entry | {"xxh3": "ABC"}, b"")], [(entry | {"offset": "1"}, b"")],
                       [({"id": 1, "hello": True}, b"")], [({"cmd": "ping", "id": 1}, b"")],
                       [(entry, BIG), (entry, b"")], [(entry, BIG), ({"id": 1, "end": True}, b"")],
                       [(entry, BIG), ({"id": 1, "xxh3": 5}, b"")]):
            with self.subTest([header for header, _ in frames]):
                connection = self.connect()
                connection.ask({"cmd": "put", "id": 1, "path": ""})
                for header, body in frames:
                    connection.send(header, body)
                self.assertEqual(connection.receive()[0]["error"], "LY_EFRAME")
                self.assertTrue(connection.ended())


class Program(FilesCase):
    """The real client."""

    def setUp(self):
        super().setUp()
        self.here = pathlib.Path(tempfile.mkdtemp(prefix="ly-here"))
        self.addCleanup(shutil.rmtree, self.here, ignore_errors=True)

    def there(self, path=""):
        return f"{self.server.address}:{path}"

    def run_ok(self, *arguments):
        done = cli(*arguments)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout

    def same(self, a, b):
        done = subprocess.run(["diff", "-r", "--no-dereference", a, b], capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout[-500:]), (0, b""))

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
        self.assertEqual((done.returncode, done.stderr), (23, b"lanyard get: fifo: operation not supported\n"))
        done = cli("put", "/dev/null", self.there("null"))
        self.assertEqual((done.returncode, done.stderr), (23, b"lanyard put: /dev/null: operation not supported\n"))
        self.assertEqual((os.listdir(self.here), os.listdir(self.root)), ([], ["fifo"]))

    def test_ls_puts_no_title_above_what_it_cannot_list(self):
        (self.root / "d").mkdir()
        done = cli("ls", self.there("none"), self.there("d"))
        self.assertEqual((done.returncode, done.stdout), (1, self.there("d").encode() + b":\n"))

    def test_no_connection_is_status_255(self):
        done = cli("get", f"unix:{self.here}/nothing:f", self.here)
        self.assertEqual(done.returncode, 255)
        self.assertIn(b"cannot connect", done.stderr)

    def test_events_are_json_objects_a_line(self):
        self.write("f")
        lines = [json.loads(line) for line in cli("get", "--json", self.there("f"), self.there("none"), self.here).stdout.splitlines()]
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
        while client.poll() is None and (not partial.exists() or partial.stat().st_size < 4 << 20):
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
        self.assertIn(b"big: no space left on device", done.stderr)
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
        return cli("get", f"{self.serve_once(*frames, tail=tail)}:{what}", self.here)

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

    def test_its_json_is_printed_as_one_line_of_ascii(self):
        entry = b'{"id": 1, "ok": true, "entry": {"name": "\x7f\xc2\x9b\xf0\x9f\x98\x80",\n\r\t"type": "file"}}'
        frame = struct.pack("<i", len(entry)) + entry
        done = cli("stat", "--json", f"{self.serve_once(tail=frame)}:x")
        self.assertEqual(done.stdout, b'{"name": "\\u007f\\u009b\\ud83d\\ude00",   "type": "file"}\n')
        done = cli("ls", "--json", f"{self.serve_once(tail=frame + frame.replace(b'entry', b'other'))}:x")
        self.assertEqual(done.stdout, b'{"name": "\\u007f\\u009b\\ud83d\\ude00",   "type": "file"}\n')


if __name__ == "__main__":
    unittest.main()
