/**
 * Sends each message back as its own answer, by Node's own socket: what a server on it cannot surpass. `each` sends it at
 * once, in four lines; `together` sends what a turn of the event loop receives together, as `dns/sockets/udp-listener.ts` does.
 * It ends when its standard input does.
 */
import { createSocket, type RemoteInfo } from 'node:dgram'
import { addressOnly } from '../../dns/wire/address.ts'

const [kind, port] = process.argv.slice(2)
const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20, lookup: addressOnly })
const send = (message: Buffer, { port, address }: RemoteInfo) => {
  // The bit that makes it an answer.
  message[2] = (message[2] ?? 0) | 0x80
  socket.send(message, port, address)
}

let received: [Buffer, RemoteInfo][] = []
const sendAll = () => {
  const all = received
  received = []
  for (const [message, from] of all) send(message, from)
}

if (kind === 'each') socket.on('message', send)
else {
  socket.on('message', (message, from) => {
    if (received.push([message, from]) === 1) setImmediate(sendAll)
  })
}
socket.bind(Number(port), '127.0.0.1', () => console.log('ready'))
process.stdin.resume().on('end', () => process.exit())
