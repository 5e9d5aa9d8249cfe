# SPDX-License-Identifier: MIT
"""What stands between a client and a server: middle.py pass|cut|terminate ADDRESS [BYTES] on port 7433.

pass: bytes go on as they are. cut: after BYTES of what the server has sent, the connection is cut. terminate: TLS ends here,
with a key of its own, and begins anew towards the server; what the client says inside is printed as "passed".
"""

import contextlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

PORT = 7433


def copy(source, sink, left=None, tell=False):
    """Until the end, or until so many bytes have passed."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if tell:
                print("passed", len(data), flush=True)
            if left is not None:
                left -= len(data)
                if left < 0:
                    source.shutdown(socket.SHUT_RDWR)
                    sink.shutdown(socket.SHUT_RDWR)
                    return
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def own_key():
    """A context with a self-signed certificate, as a machine has one; it asks for the client's."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                        "/CN=lanyard", "-days", "9", "-keyout", f"{folder}/key", "-out", f"{folder}/certificate"], check=True,
                       capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/certificate", f"{folder}/key")
    return context


def terminate(client, address, context):
    with contextlib.suppress(OSError):
        inner = context.wrap_socket(client, server_side=True)
        outer = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        outer.check_hostname, outer.verify_mode = False, ssl.CERT_NONE
        server = outer.wrap_socket(socket.create_connection((address, PORT)))
        threading.Thread(target=copy, args=(server, inner), daemon=True).start()
        copy(inner, server, tell=True)


def relay(client, address, left):
    with contextlib.suppress(OSError):
        server = socket.create_connection((address, PORT))
        threading.Thread(target=copy, args=(server, client, left), daemon=True).start()
        copy(client, server)


def main():
    how, address = sys.argv[1:3]
    left = int(sys.argv[3]) if how == "cut" else None
    context = own_key() if how == "terminate" else None
    listener = socket.create_server(("", PORT))
    print("listening", flush=True)
    while True:
        client = listener.accept()[0]
        arguments = (client, address, context) if how == "terminate" else (client, address, left)
        threading.Thread(target=terminate if how == "terminate" else relay, args=arguments, daemon=True).start()


if __name__ == "__main__":
    main()
