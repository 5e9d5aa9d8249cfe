# SPDX-License-Identifier: MIT
"""Files, by the independent client."""

import json
import os
import pathlib
import select
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import unittest

from files_case import BIG, PARTIAL, FilesCase, litter, small, xxh3


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

    def test_a_tree_comes_depth_first_without_partial_files_and_with_special_ones_named(self):
        for name in ("t/a/1", "t/a/2", "t/b/c/3", "t/4", "t/.x.lanyard-partial"):
            self.write(name, name.encode())
        (self.root / "t/l").symlink_to("/etc")
        os.mkfifo(self.root / "t/fifo")
        frames, end = self.get("t", recursive=True)
        paths = [header["path"] for header, _ in frames]
        self.assertEqual(set(paths), {"t", "t/a", "t/a/1", "t/a/2", "t/b", "t/b/c", "t/b/c/3", "t/4", "t/l", "t/fifo"})
        self.assertEqual([h["type"] for h, _ in frames if h["path"] == "t/fifo"], ["other"])
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

    def test_others_are_answered_while_a_long_beginning_is_compared(self):
        path = self.write("long")
        os.truncate(path, 1 << 30)
        with open(path, "rb") as f:
            while f.read(1 << 20):
                pass  # then it is in memory, and reading it takes no waiting
        resuming, other = self.connect(), self.connect()
        resuming.send({"cmd": "get", "id": 1, "path": "long", "offset": 1 << 30, "prefix_xxh3": "0" * 32})
        answered = 0
        while not select.select([resuming.socket], [], [], 0)[0]:
            other.ask({"cmd": "ping", "id": 1})
            answered += 1
        self.assertGreater(answered, 3)  # if they had to wait for its end, the first would be the last
        self.assertNotIn("offset", resuming.receive_head())

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

    def hold(self):
        """A transfer to f that has its file, and goes no further."""
        first = self.connect()
        first.ask({"cmd": "put", "id": 1, "path": "f"})
        text = json.dumps({"id": 1, "path": "", "type": "file", "size": len(BIG)}).encode()
        first.send_bytes(struct.pack("<i", len(text)) + text + BIG[:180000])
        while not litter(self.root):
            os.sched_yield()
        return first

    def test_a_transfer_waits_for_one_that_ends(self):
        first, second, third = self.hold(), self.connect(), self.connect()
        second.ask({"cmd": "put", "id": 1, "path": "f"})
        second.send({"id": 1, "path": "", "type": "file"}, BIG)
        second.send({"id": 1, "xxh3": xxh3(BIG)})
        second.send({"id": 1, "end": True})
        third.send({"cmd": "partial", "id": 3, "path": "f"})
        for waiting in (second, third):
            self.assertEqual(select.select([waiting.socket], [], [], 0.3)[0], [])
        first.close()
        self.assertEqual(second.receive()[0], {"id": 1, "ok": True, "files": 1, "bytes": len(BIG), "failed": 0})
        self.assertIn(third.receive()[0].get("offset"), (0, 180000))
        self.assertEqual((self.root / "f").read_bytes(), BIG)
        self.assertEqual(litter(self.root), [])

    def test_two_transfers_to_one_file_do_not_mix(self):
        first = self.hold()
        errors, _ = self.put("f", ({"id": 1, "path": "", "type": "file"}, BIG), ({"id": 1, "xxh3": xxh3(BIG)}, b""))
        self.assertEqual(errors[0]["error"], "EBUSY")
        first.send_bytes(BIG[180000:])
        first.send({"id": 1, "xxh3": xxh3(BIG)})
        first.send({"id": 1, "end": True})
        self.assertEqual(first.receive()[0]["files"], 1)
        self.assertEqual((self.root / "f").read_bytes(), BIG)

    def test_a_link_leaves_a_file_that_is_arriving_alone(self):
        self.write("f", b"old")
        first = self.hold()
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


if __name__ == "__main__":
    unittest.main()
