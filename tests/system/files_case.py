# SPDX-License-Identifier: MIT
"""What the tests of the file service share: a clean root, the stream of entries by the independent client, the program."""

import ctypes
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile

from peer import PROGRAM, ServerCase, cli

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


class ProgramCase(FilesCase):
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
