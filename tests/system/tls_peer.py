# SPDX-License-Identifier: MIT
"""A client of the protocol over TLS, written from docs/protocol.md: OpenSSL by its C functions (Python's ssl has no
exporter), and SCRAM-SHA-256-PLUS by hashlib and hmac."""

import base64
import ctypes
import ctypes.util
import hashlib
import hmac
import json
import os
import socket
import struct
import subprocess

from peer import PATIENCE

ssl = ctypes.CDLL(ctypes.util.find_library("ssl"))
crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new", "SSL_get1_peer_certificate"):
    getattr(ssl, name).restype = ctypes.c_void_p
for name in ("X509_get_X509_PUBKEY",):
    getattr(crypto, name).restype = ctypes.c_void_p
TLS1_2 = 0x0303
SET_MAX_PROTO_VERSION = 124
LABEL = b"EXPORTER-Channel-Binding"
CERTIFICATE_REQUEST = 13
MESSAGE_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_ubyte),
                                    ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p)


class Closed(Exception):
    """The server has ended the connection."""


class Tls:
    """A TLS connection to a port of this machine; certificate: the name of a PEM file with key and certificate."""

    def __init__(self, port, certificate=None, at_most=None, source=""):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))
        self.socket.settimeout(None)  # OpenSSL waits in its own calls
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", PATIENCE, 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", PATIENCE, 0))
        context = ctypes.c_void_p(ssl.SSL_CTX_new(ctypes.c_void_p(ssl.TLS_client_method())))
        if at_most:
            ssl.SSL_CTX_ctrl(context, SET_MAX_PROTO_VERSION, ctypes.c_long(at_most), None)
        if certificate:
            path = os.fsencode(certificate)
            assert ssl.SSL_CTX_use_certificate_file(context, path, 1) == 1
            assert ssl.SSL_CTX_use_PrivateKey_file(context, path, 1) == 1
        self.ssl = ctypes.c_void_p(ssl.SSL_new(context))
        ssl.SSL_CTX_free(context)
        ssl.SSL_set_fd(self.ssl, self.socket.fileno())
        self.messages = {}  # of the server's handshake, by their types
        self.on_message = MESSAGE_CALLBACK(self.keep_message)
        ssl.SSL_set_msg_callback(self.ssl, self.on_message)
        if ssl.SSL_connect(self.ssl) != 1:
            self.close()
            raise Closed("the handshake failed")
        self.buffer = b""

    def keep_message(self, is_ours, _version, kind, data, n, _ssl, _argument):
        if not is_ours and kind == 22:
            self.messages[data[0]] = bytes(data[4:n])

    def requested(self):
        """The extensions of the CertificateRequest (RFC 8446, 4.3.2), by their types."""
        body = self.messages[CERTIFICATE_REQUEST]
        rest, found = body[3 + body[0]:], {}
        while rest:
            kind, n = struct.unpack(">HH", rest[:4])
            found[kind] = rest[4:4 + n]
            rest = rest[4 + n:]
        return found

    def export(self):
        out = ctypes.create_string_buffer(32)
        assert ssl.SSL_export_keying_material(self.ssl, out, 32, LABEL, len(LABEL), None, 0, 0) == 1
        return out.raw

    def peer_key(self):
        """SHA-256 of the server's public key."""
        certificate = ctypes.c_void_p(ssl.SSL_get1_peer_certificate(self.ssl))
        key = ctypes.c_void_p(crypto.X509_get_X509_PUBKEY(certificate))
        out = ctypes.c_void_p()
        n = crypto.i2d_X509_PUBKEY(key, ctypes.byref(out))
        return hashlib.sha256(ctypes.string_at(out, n)).digest()

    def send(self, data):
        if data and ssl.SSL_write(self.ssl, data, len(data)) != len(data):
            raise Closed("the connection was cut")

    def receive(self, n):
        piece = ctypes.create_string_buffer(65536)
        while len(self.buffer) < n:
            got = ssl.SSL_read(self.ssl, piece, 65536)
            if got <= 0:
                raise Closed("the connection has ended")
            self.buffer += piece.raw[:got]
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def close(self):
        if self.ssl:
            ssl.SSL_free(self.ssl)
            self.socket.close()
            self.ssl = None

    # ---- frames ----

    def send_frame(self, header, body=b""):
        if body:
            header = dict(header, size=len(body))
        text = json.dumps(header).encode()
        self.send(struct.pack("<i", len(text)) + text + body)

    def receive_frame(self):
        (n,) = struct.unpack("<i", self.receive(4))
        header = json.loads(self.receive(n))
        return header, self.receive(header.get("size", 0))

    def ask(self, header):
        self.send_frame(header)
        return self.receive_frame()[0]

    def run(self, *argv):
        """Run a command: its exit status and what it wrote."""
        self.send_frame({"cmd": "exec", "id": 9, "argv": argv})
        out = b""
        while True:
            header, body = self.receive_frame()
            out += body
            if "exit" in header or "signal" in header or "error" in header:
                return header, out


def scram(connection, name, password, binding=None, mechanism="SCRAM-SHA-256-PLUS", header="p=tls-exporter,,"):
    """Log in: the server's last answer. The server has to prove that it knows the password's keys."""
    nonce = base64.b64encode(os.urandom(18)).decode()
    bare = f"n={name},r={nonce}"
    ask = {"cmd": "login", "id": 1, "mechanism": mechanism}
    answer = connection.ask(dict(ask, data=header + bare))
    if "error" in answer:
        return answer
    first = answer["data"]
    fields = dict(f.split("=", 1) for f in first.split(","))
    assert fields["r"].startswith(nonce) and len(fields["r"]) > len(nonce)
    bound = connection.export() if binding is None else binding
    last = "c=" + base64.b64encode(header.encode() + bound).decode() + ",r=" + fields["r"]
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    client = hmac.digest(salted, b"Client Key", "sha256")
    message = ",".join((bare, first, last)).encode()
    signature = hmac.digest(hashlib.sha256(client).digest(), message, "sha256")
    proof = bytes(a ^ b for a, b in zip(client, signature))
    answer = connection.ask(dict(ask, data=last + ",p=" + base64.b64encode(proof).decode()))
    if "error" not in answer:
        server = hmac.digest(salted, b"Server Key", "sha256")
        wanted = base64.b64encode(hmac.digest(server, message, "sha256")).decode()
        assert answer["data"] == "v=" + wanted, "the server has not proved who it is"
    return answer


def make_certificate(path, *key):
    """A PEM file with a key and a certificate that it has signed itself. key: openssl's options, as -newkey ed25519."""
    subprocess.run(["openssl", "req", "-x509", *key, "-nodes", "-subj", "/CN=device", "-keyout", f"{path}.key",
                    "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_bytes(b"".join(path.with_name(path.name + end).read_bytes() for end in (".key", ".crt")))
    return path


def pair(connection, code):
    """Make the key of the connection's certificate a device, by the code SLOT-XXXX-XXXX-XXXX: the server's answer."""
    slot, _, secret = code.partition("-")
    return scram(connection, f"pair/{slot}", secret.replace("-", ""))
