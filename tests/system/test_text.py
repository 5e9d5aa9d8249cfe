# SPDX-License-Identifier: MIT
"""Files over sockets against Python's own: random text, malformed bytes and chunks, in encodings and newline modes."""

import io
import os
import pathlib
import random
import subprocess
import unittest

PEER = pathlib.Path(os.environ["LY_BUILD"], "tests/system/text_peer")
NEWLINES = {"none": None, "-": "", "0a": "\n", "0d": "\r", "0d0a": "\r\n"}
ROUNDS = 400

# Characters of GB2312's first level: all tables of GBK agree on them.
HANZI = b"".join(bytes((lead, trail)) for lead in (0xB0, 0xC4, 0xD6) for trail in (0xA1, 0xC3, 0xE3, 0xF9))
ALPHABETS = {
    "utf-8": "ab \té½你好\U0001f600\x00",
    "gbk": "ab \t" + HANZI.decode("gbk"),
    "latin-1": "ab \té½ÿ\x80",
    "utf-16": "ab \té½你好\U0001f600\x00",
}
# Bytes that spoil text of an encoding.
SPOILS = {
    "utf-8": [b"\x80", b"\xff", b"\xc0\x80", b"\xe4\xbd", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80"],
    "gbk": [b"\xff", b"\xb0", b"\xb0\x20", b"\xc4\x0a"],
    "latin-1": [],
    "utf-16": [b"\x00\xd8", b"\x00\xdc", b"\x3d\xd8\x3d\xd8"],
}


class Chunks(io.RawIOBase):
    """What a socket would give: a chunk a receive."""

    def __init__(self, chunks):
        self.chunks = [c for c in chunks if c]

    def readable(self):
        return True

    def readinto(self, memory):
        if not self.chunks:
            return 0
        chunk = self.chunks[0][: len(memory)]
        memory[: len(chunk)] = chunk
        self.chunks[0] = self.chunks[0][len(chunk) :]
        if not self.chunks[0]:
            self.chunks.pop(0)
        return len(chunk)


def hexadecimal(data):
    return data.hex() or "-"


def cut(rng, data):
    """The data in random pieces."""
    pieces = []
    while data:
        n = rng.choice((1, 1, 2, 3, 7, 50, len(data)))
        pieces.append(data[:n])
        data = data[n:]
    return pieces


def make_text(rng, encoding, length):
    return "".join(rng.choice(ALPHABETS[encoding]) if rng.random() < 0.8 else rng.choice("\r\n") for _ in range(length))


def make_amounts(rng):
    kinds = ("r%d," % rng.randint(1, 40), "l,", "l%d," % rng.randint(1, 20), "b,")
    return rng.choice(("a,", "l,", "b,", "".join(rng.choice(kinds) for _ in range(rng.randint(1, 4)))))


def operations(amounts):
    while True:
        for word in amounts.split(",")[:-1]:
            yield word[0], int(word[1:] or -1)


def by_python(file, amounts):
    """What each operation gives, up to the end."""
    results = []
    for what, n in operations(amounts):
        got = file.read(n) if what == "r" else file.read() if what == "a" else file.readline(n)
        if not got:
            return results
        results.append(got)


def valid_part(data, encoding):
    """The bytes before the first that do not decode."""
    try:
        data.decode(encoding)
    except UnicodeDecodeError as e:
        return data[: e.start]
    return data


class Text(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.process = subprocess.Popen([PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @classmethod
    def tearDownClass(cls):
        cls.process.stdin.close()
        cls.process.stdout.close()
        if cls.process.wait(60) != 0:
            raise AssertionError("text_peer failed")

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def ask_read(self, case, chunks, how="read"):
        return self.ask(how, *case, *map(hexadecimal, chunks or [b""]))

    def open_python(self, chunks, encoding, errors, newline):
        return io.TextIOWrapper(io.BufferedReader(Chunks(chunks)), encoding, errors, NEWLINES[newline])

    def cases(self, encodings, errors, seed):
        """(rng, encoding, errors, newline, buffering) many times over."""
        for number in range(ROUNDS):
            rng = random.Random(seed * 100000 + number)
            yield (
                rng,
                rng.choice(encodings),
                rng.choice(errors),
                rng.choice(list(NEWLINES)),
                str(rng.choice((1, 7, 64, 100, 8192))),
            )

    def compare(self, rng, encoding, errors, newline, buffering, data):
        amounts, chunks = make_amounts(rng), cut(rng, data)
        case = encoding, errors, newline, buffering, amounts
        wanted = [t.encode().hex() for t in by_python(self.open_python(chunks, encoding, errors, newline), amounts)]
        self.assertEqual(self.ask_read(case, chunks), wanted, (case, chunks))

    def test_C114_C122_S16_text_reads_as_in_python(self):
        for rng, encoding, _, newline, buffering in self.cases(list(ALPHABETS), ["strict"], 1):
            data = make_text(rng, encoding, rng.choice((0, 1, 5, 60, 400))).encode(encoding)
            self.compare(rng, encoding, "strict", newline, buffering, data)

    def test_C119_lines_polled_for_are_those_of_python(self):
        for rng, encoding, _, newline, buffering in self.cases(list(ALPHABETS), ["strict"], 7):
            data = make_text(rng, encoding, rng.choice((0, 1, 5, 60, 400))).encode(encoding)
            amounts, chunks = rng.choice(("l,", "b,", "b,l%d," % rng.randint(1, 20), "l3,l,")), cut(rng, data)
            case = encoding, "strict", newline, buffering, amounts
            wanted = [t.encode().hex() for t in by_python(self.open_python([data], encoding, "strict", newline), amounts)]
            self.assertEqual(self.ask_read(case, chunks, "poll"), wanted, (case, chunks))

    def test_S24_S50_S122_malformed_text_is_replaced_and_left_out_as_in_python(self):
        for rng, encoding, errors, newline, buffering in self.cases(list(ALPHABETS), ["replace", "ignore"], 2):
            pieces = [
                rng.choice(SPOILS[encoding] or [b""])
                if rng.random() < 0.3
                else make_text(rng, encoding, 5).encode("utf-16-le" if encoding == "utf-16" else encoding)
                for _ in range(rng.choice((1, 3, 30)))
            ]
            mark = b"\xff\xfe" if encoding == "utf-16" else b""  # Python wants one
            self.compare(rng, encoding, errors, newline, buffering, mark + b"".join(pieces))

    def test_S24_S122_random_bytes_read_as_in_python(self):
        for rng, encoding, errors, newline, buffering in self.cases(["utf-8", "latin-1"], ["replace", "ignore"], 3):
            alphabet = b"\x80\xbf\xc2\xe0\xed\xa0\xf0\x90\xf4\x8f\xff\r\na"
            common = bytes(rng.choice(alphabet) for _ in range(rng.choice((1, 8, 200))))
            self.compare(rng, encoding, errors, newline, buffering, rng.choice((common, rng.randbytes(100))))

    def test_S122_S50_strict_text_ends_where_python_says_it_is_malformed(self):
        for rng, encoding, _, newline, buffering in self.cases(["utf-8", "gbk", "utf-16"], ["strict"], 4):
            start = make_text(rng, encoding, rng.choice((0, 3, 50))).encode(encoding)
            data = start + rng.choice(SPOILS[encoding]) + rng.choice((b"", start))
            valid = valid_part(data, encoding)
            amounts, chunks = make_amounts(rng), cut(rng, data)
            case = encoding, "strict", newline, buffering, amounts
            got = self.ask_read(case, chunks)
            text = self.open_python([valid], encoding, "strict", newline).read()
            if valid == data:
                continue  # what spoils alone was completed by what follows
            self.assertIn("!LY_EDECODE", got, (case, chunks))
            self.assertEqual("".join(w for w in got if w[0] != "!"), text.encode().hex(), (case, chunks))

    def test_C114_C115_bytes_read_as_in_python(self):
        for rng, _, _, _, buffering in self.cases(["utf-8"], ["strict"], 5):
            data = bytes(rng.choice(b"ab\r\n\x00\xff") for _ in range(rng.choice((0, 1, 50, 500))))
            amounts, chunks = make_amounts(rng), cut(rng, data)
            wanted = [b.hex() for b in by_python(io.BufferedReader(Chunks(chunks), int(buffering)), amounts)]
            self.assertEqual(self.ask_read(("binary", "strict", "none", buffering, amounts), chunks), wanted, (amounts, chunks))

    def test_C116_C122_S50_text_is_written_as_in_python(self):
        for rng, encoding, errors, newline, buffering in self.cases(list(ALPHABETS), ["strict", "replace", "ignore"], 6):
            foreign = "" if errors == "strict" else "你\U0001f600"
            pieces = [
                make_text(rng, encoding, rng.choice((1, 5, 300))) + rng.choice(foreign or " ")
                for _ in range(rng.choice((1, 3, 20)))
            ]
            wanted = io.BytesIO()
            file = io.TextIOWrapper(wanted, encoding, errors, NEWLINES[newline])
            for piece in pieces:
                file.write(piece)
            file.flush()
            case = encoding, errors, newline, buffering
            got = self.ask("write", *case, *(hexadecimal(p.encode()) for p in pieces))
            self.assertEqual(got, [hexadecimal(wanted.getvalue())], (case, pieces))


if __name__ == "__main__":
    unittest.main()
