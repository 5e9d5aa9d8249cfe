# SPDX-License-Identifier: MIT
"""A server of the protocol over TLS, from docs/protocol.md on Python's standard library, that can be false in many ways: what it does
with a connection is a function. It cannot see the channel's binding, which Python's ssl has no call for; the real server checks that."""

import base64
import contextlib
import hashlib
import hmac
import os
import socket
import ssl
import subprocess
import threading

from peer import PATIENCE, Connection, Ended


def make_key(folder, name):
    """A key on P-256 and a certificate for it: the names of two PEM files."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x",
                    "-days", "30", "-keyout", key, "-out", certificate], capture_output=True, check=True)
    return key, certificate


def make_dated_key(folder, begin, end):
    """The same with a certificate that is valid from, and until, times such as 20260101000000Z."""
    key, certificate, request = folder / "dated.key", folder / "dated.crt", folder / "dated.csr"
    (folder / "index.txt").write_text("")
    (folder / "ca.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index.txt\nnew_certs_dir={folder}\nrand_serial=yes\n"
                                   "unique_subject=no\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
    for command in (("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x",
                     "-keyout", key, "-out", request),
                    ("ca", "-batch", "-selfsign", "-notext", "-startdate", begin, "-enddate", end, "-in", request, "-keyfile", key,
                     "-out", certificate, "-config", folder / "ca.cnf")):
        subprocess.run(["openssl", *command], capture_output=True, check=True)
    return key, certificate


def public_key(key):
    return subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], capture_output=True, check=True).stdout


def identity(key):
    """The printed form, as docs/identity.md has it."""
    number = int.from_bytes(hashlib.sha256(public_key(key)).digest()[:17], "big") % 10**40
    digits = f"{number:040}"
    return "-".join(digits[i:i + 5] for i in range(0, 40, 5))


class Frames(Connection):
    """Frames over a socket that is connected."""

    def __init__(self, connected):
        self.socket = connected
        self.socket.settimeout(PATIENCE)
        self.file = self.socket.makefile("rb")


class FalseServer:
    """Listens on loopback; behave(self, frames) has each connection, in turn."""

    def __init__(self, key, behave, tls=ssl.TLSVersion.TLSv1_3):
        self.behave = behave
        self.heard = []  # the headers of all frames, and the connections' beginnings: None
        self.name, self.password, self.roles = "ann", "correct horse battery", ["read"]
        self.iterations = 4096
        self.announcement = None
        self.context = None
        if key:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.minimum_version = self.context.maximum_version = tls
            self.context.load_cert_chain(key[1], key[0])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connected, _ = self.listener.accept()
            except OSError:
                return
            self.heard.append(None)
            with contextlib.suppress(OSError, EOFError, Ended), connected:
                connected.settimeout(PATIENCE)
                secure = self.context.wrap_socket(connected, server_side=True) if self.context else connected
                with secure, Frames(secure) as frames:
                    self.behave(self, frames)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE)
        self.listener.close()

    # ---- what a server does ----

    def receive(self, frames):
        header, _ = frames.receive()
        self.heard.append(header)
        return header

    def refuse(self, frames, request, error="LY_ELOGIN"):
        frames.send({"id": request["id"], "error": error, "text": "as the test has it"})

    def until_login(self, frames):
        """Refuse what comes before the first message of a login, which it returns."""
        while True:
            request = self.receive(frames)
            if request["cmd"] == "login":
                return request
            self.refuse(frames, request)

    def first_message(self, frames, request, nonce="server"):
        """Answer the client's first message. Gives (client's first without header, server's first, the salt)."""
        bare = request["data"].split(",", 2)[2]
        fields = dict(field.split("=", 1) for field in bare.split(","))
        salt = os.urandom(16)
        first = f"r={fields['r']}{nonce},s={base64.b64encode(salt).decode()},i={self.iterations}"
        frames.send({"id": request["id"], "data": first})
        return fields["n"], bare, first, salt

    def check_proof(self, request, bare, first, salt):
        """The client's last message: what proves the server, or None if the proof is wrong."""
        without, _, proof = request["data"].rpartition(",p=")
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), salt, self.iterations)
        client = hmac.digest(salted, b"Client Key", "sha256")
        message = ",".join((bare, first, without)).encode()
        signature = hmac.digest(hashlib.sha256(client).digest(), message, "sha256")
        if bytes(a ^ b for a, b in zip(client, signature)) != base64.b64decode(proof):
            return None
        return base64.b64encode(hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")).decode()

    def welcome(self, frames, request, signature, user=None):
        frames.send({"id": request["id"], "ok": True, "data": f"v={signature}", "user": user or self.name, "roles": self.roles})

    def log_in(self, frames):
        """A login to its end. Gives whether it was right."""
        request = self.until_login(frames)
        name, bare, first, salt = self.first_message(frames, request)
        request = self.receive(frames)
        signature = self.check_proof(request, bare, first, salt) if name in (self.name, "pair/ABCD") else None
        if signature is None:
            self.refuse(frames, request, "LY_EDENIED")
            return False
        self.welcome(frames, request, signature)
        return True

    def serve_requests(self, frames):
        while True:
            request = self.receive(frames)
            cmd = request.get("cmd")
            if cmd == "hello":
                answer = {"id": request["id"], "ok": True, "version": 1, "server": "false", "user": self.name, "roles": self.roles}
                if self.announcement:
                    answer["next_key"] = self.announcement
                frames.send(answer)
            elif cmd in ("ping", "version"):
                frames.send({"id": request["id"], "ok": True, "server": "false"})
            elif cmd:
                self.refuse(frames, request, "LY_EROLE")


def honest(server, frames):
    """Knows one user, and no devices."""
    if server.log_in(frames):
        server.serve_requests(frames)


def knows_all(server, frames):
    """Takes every key for a device."""
    server.serve_requests(frames)


def announce(key, following):
    """The announcement of a next key, as docs/identity.md has it."""
    signed = b"lanyard next key 1\0" + public_key(following)
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=signed, capture_output=True, check=True).stdout
    parts = {"key": public_key(key), "next": public_key(following), "signature": signature}
    return {name: base64.b64encode(data).decode() for name, data in parts.items()}
