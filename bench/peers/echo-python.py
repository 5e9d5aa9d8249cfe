# SPDX-License-Identifier: MIT
"""echo-python.py [threading|forking|sequential]: socketserver, on a port of 127.0.0.1 that the kernel picks."""
import socket
import socketserver
import sys


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Common:
    allow_reuse_address = True
    daemon_threads = True
    max_children = 100000
    request_queue_size = 4096

    def handle_error(self, request, client_address):
        """A load that ends hangs up in the middle of messages: no news."""


class Threading(Common, socketserver.ThreadingTCPServer):
    pass


class Forking(Common, socketserver.ForkingTCPServer):
    pass


class Sequential(Common, socketserver.TCPServer):
    pass


SERVERS = {"threading": Threading, "forking": Forking, "sequential": Sequential}


with SERVERS[sys.argv[1] if len(sys.argv) > 1 else "threading"](("127.0.0.1", 0), Echo) as server:
    print(f"listening tcp://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
