# SPDX-License-Identifier: MIT
"""Echoes datagrams with Python's socketserver, a thread for each. Prints "listening ADDRESS"."""
import socketserver


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(data, self.client_address)


with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Echo) as server:
    print(f"listening udp://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
