import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

/**
 * A port that is free, for TCP and UDP. Below those that the kernel hands out of itself (ip_local_port_range begins at
 * 32768): so that no other test is given it by chance before it is used.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    if ((await isFreeForTcp(port)) && (await isFreeForUdp(port))) return port
  }
}

function isFreeForTcp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false))
    server.listen(port, '::', () => server.close(() => resolve(true)))
  })
}

function isFreeForUdp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp6').once('error', () => resolve(false))
    socket.bind(port, '::', () => socket.close(() => resolve(true)))
  })
}
