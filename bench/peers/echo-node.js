// SPDX-License-Identifier: MIT
// echo-node.js: Node's net module, on a port of 127.0.0.1 that the kernel picks.
'use strict';
const net = require('net');

const server = net.createServer({ noDelay: true }, (socket) => {
    socket.on('data', (data) => socket.write(data));
    socket.on('error', () => socket.destroy());
});
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
    console.log(`listening tcp://127.0.0.1:${server.address().port}`);
});
