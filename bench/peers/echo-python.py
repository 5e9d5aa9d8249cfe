# SPDX-License-Identifier: MIT
"""echo-python.py: socketserver.ThreadingTCPServer, on a port of 127.0.0.1 that the kernel picks."""
import socket
import socketserver


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 4096

    def handle_error(self, request, client_address):
        """A load that ends hangs up in the middle of messages: no news."""


with Server(("127.0.0.1", 0), Echo) as server:
    print(f"listening tcp://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
