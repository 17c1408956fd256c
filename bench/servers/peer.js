// The servers of Node: peer.js echo | datagram | hello. Prints its port.
'use strict';
const here = '127.0.0.1';

function listening() {
  console.log(this.address().port);
}

const serve = {
  echo() {
    const server = require('net').createServer({ noDelay: true }, (socket) => {
      socket.on('error', () => socket.destroy());
      socket.pipe(socket);
    });
    server.listen(0, here, 1024, listening);
  },
  datagram() {
    const socket = require('dgram').createSocket('udp4');
    socket.on('message', (data, from) => socket.send(data, from.port, from.address));
    socket.bind(0, here, listening);
  },
  hello() {
    const server = require('http').createServer((request, response) => {
      response.setHeader('Content-Type', 'text/plain; charset=utf-8');
      response.end('Hello World!\n');
    });
    server.listen(0, here, 1024, listening);
  },
};

serve[process.argv[2]]();
