# SPDX-License-Identifier: MIT
"""Logins against an implementation of RFC 5802 and 7677 on Python's hashlib, on either side."""

import base64
import hashlib
import hmac
import os
import pathlib
import secrets
import subprocess
import unicodedata
import unittest

PEER = pathlib.Path(os.environ["LY_BUILD"], "tests/system/scram_peer")
BINDING = bytes(range(32))
HEADER = b"p=tls-exporter,,"
SALT = b"a salt of 16 by."


def b64(data):
    return base64.b64encode(data).decode()


def mac(key, text):
    return hmac.digest(key, text.encode(), "sha256")


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def fields(message):
    return dict(field.split("=", 1) for field in message.split(","))


class Keys:
    def __init__(self, password, salt, iterations):
        prepared = unicodedata.normalize("NFKC", password).encode()
        salted = hashlib.pbkdf2_hmac("sha256", prepared, salt, iterations)
        self.client = mac(salted, "Client Key")
        self.stored = hashlib.sha256(self.client).digest()
        self.server = mac(salted, "Server Key")

    def proof(self, text):
        return xor(self.client, mac(self.stored, text))

    def proves(self, proof, text):
        return hashlib.sha256(xor(proof, mac(self.stored, text))).digest() == self.stored


class Scram(unittest.TestCase):
    def begin(self, *arguments):
        peer = subprocess.Popen([PEER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        self.addCleanup(peer.stdout.close)
        self.addCleanup(peer.wait)
        self.addCleanup(peer.stdin.close)
        self.peer = peer

    def step(self, message):
        """The result of the peer's step, and its answer."""
        self.peer.stdin.write(message + "\n")
        self.peer.stdin.flush()
        result, _, answer = self.peer.stdout.readline().rstrip("\n").partition(" ")
        return result, answer


class OurServer(Scram):
    def login(self, name="ada", password="correct horse", iterations=4096, *, binding=BINDING, theirs="correct horse",
              user="ada"):
        self.begin("server", BINDING.hex(), user, theirs, str(iterations))
        bare = f"n={name},r={b64(secrets.token_bytes(18))}"
        result, first = self.step(HEADER.decode() + bare)
        if result != "0":
            return result
        got = fields(first)
        self.assertTrue(got["r"].startswith(fields(bare)["r"]))
        self.assertEqual((base64.b64decode(got["s"]), int(got["i"])), (SALT, iterations))
        self.keys = Keys(password, SALT, iterations)
        last = f"c={b64(HEADER + binding)},r={got['r']}"
        text = f"{bare},{first},{last}"
        result, verifier = self.step(f"{last},p={b64(self.keys.proof(text))}")
        if result == "1":
            self.assertEqual(verifier, "v=" + b64(mac(self.keys.server, text)))
        return result

    def test_the_right_password_is_let_in_and_answered_by_the_servers_proof(self):
        for iterations in (4096, 10000):
            self.assertEqual(self.login(iterations=iterations), "1")

    def test_a_wrong_password_is_not(self):
        self.assertEqual(self.login(password="correct house"), "LY_EDENIED")

    def test_a_login_that_was_relayed_from_another_channel_is_not(self):
        self.assertEqual(self.login(binding=BINDING[::-1]), "LY_EDENIED")
        self.assertEqual(self.login(binding=b""), "LY_EDENIED")
        self.assertEqual(self.login(binding=BINDING + b"x"), "LY_EDENIED")

    def test_names_and_passwords_beyond_ascii(self):
        self.assertEqual(self.login("张三", "密碼是這個八字", user="张三", theirs="密碼是這個八字"), "1")
        self.assertEqual(self.login(password="\u2168 roman nine", theirs="IX roman nine"), "1")

    def test_a_comma_in_a_name_is_escaped(self):
        self.assertEqual(self.login("a=2Cb=3Dc", user="a,b=c"), "1")


class OurClient(Scram):
    def serve(self, password="correct horse", iterations=4096, *, know="correct horse", binding=BINDING):
        """What our client comes to, and whether its proof was right."""
        self.begin("client", BINDING.hex(), "ada", password)
        result, first = self.step("")
        self.assertEqual(result, "0")
        self.assertTrue(first.startswith(HEADER.decode() + "n=ada,r="), first)
        bare = first[len(HEADER):]
        nonce = fields(bare)["r"] + b64(secrets.token_bytes(18))
        challenge = f"r={nonce},s={b64(SALT)},i={iterations}"
        result, last = self.step(challenge)
        if result != "0":
            return result, False
        keys, got = Keys(know, SALT, iterations), fields(last)
        text = f"{bare},{challenge},{last.rpartition(',p=')[0]}"
        is_right = (got["r"] == nonce and base64.b64decode(got["c"]) == HEADER + binding and
                    keys.proves(base64.b64decode(got["p"]), text))
        return self.step("v=" + b64(mac(keys.server, text)))[0], is_right

    def test_it_logs_in_and_believes_the_servers_proof(self):
        for iterations in (4096, 5000):
            self.assertEqual(self.serve(iterations=iterations), ("1", True))

    def test_it_does_not_believe_a_server_that_knows_another_password(self):
        self.assertEqual(self.serve(know="correct house"), ("LY_EDENIED", False))

    def test_its_proof_is_of_no_use_on_another_channel(self):
        self.assertFalse(self.serve(binding=BINDING[::-1])[1])

    def test_it_refuses_a_server_that_asks_for_too_little_work(self):
        self.assertEqual(self.serve(iterations=4095), ("LY_EREFUSED", False))
        self.assertEqual(self.serve(iterations=1), ("LY_EREFUSED", False))

    def test_it_refuses_an_error_in_the_place_of_a_proof(self):
        self.begin("client", BINDING.hex(), "ada", "correct horse")
        _, first = self.step("")
        nonce = fields(first[len(HEADER):])["r"]
        self.assertEqual(self.step(f"r={nonce}xyz,s={b64(SALT)},i=4096")[0], "0")
        self.assertEqual(self.step("e=other-error")[0], "LY_EDENIED")


if __name__ == "__main__":
    unittest.main()
