import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { frame } from '../../dns/fake-upstream.ts'
import { question } from '../../dns/wire.ts'

/** A connection from one of many addresses of this machine. */
async function open(port: number, index: number): Promise<Socket> {
  const localAddress = `127.1.${(index >> 7) & 255}.${1 + (index & 127)}`
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  socket.on('error', () => undefined)
  await Promise.race([once(socket, 'connect'), once(socket, 'close')])
  return socket
}

export interface Attack {
  readonly sockets: readonly Socket[]
  stop(): void
}

/** Connections that say nothing at all. */
export async function idlers(port: number, count: number): Promise<Attack> {
  const sockets: Socket[] = []
  for (let index = 0; index < count; index += 100) {
    sockets.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(100, count - index) }, (_, at) => open(port, index + at)),
      )),
    )
  }
  return { sockets, stop: () => stopAll(sockets) }
}

/** Each sends its query octet by octet, for ever. */
export async function slowWriters(port: number, count: number, pace: number): Promise<Attack> {
  const { sockets } = await idlers(port, count)
  const octets = frame(question('db.dev.internal'))
  let at = 0
  const timer = setInterval(() => {
    const octet = octets.subarray(at % octets.length, (at % octets.length) + 1)
    for (const socket of sockets) if (!socket.destroyed) socket.write(octet)
    at++
  }, pace)
  return {
    sockets,
    stop() {
      clearInterval(timer)
      stopAll(sockets)
    },
  }
}

/** Half a frame, and nothing more: of the length, of the header, of the name; or a length that no query has. */
export async function halfFrames(port: number, count: number): Promise<Attack> {
  const { sockets } = await idlers(port, count)
  const whole = frame(question('db.dev.internal'))
  const halves = [
    whole.subarray(0, 1),
    whole.subarray(0, 8),
    whole.subarray(0, -1),
    Buffer.from('ffff', 'hex'),
  ]
  for (const [index, socket] of sockets.entries()) {
    if (!socket.destroyed) socket.write(halves[index % halves.length] as Buffer)
  }
  return { sockets, stop: () => stopAll(sockets) }
}

/** Ask for much and read nothing of it. */
export async function deafReaders(port: number, count: number): Promise<Attack> {
  const { sockets } = await idlers(port, count)
  const queries = Buffer.concat(
    Array.from({ length: 2000 }, (_, id) => frame(question('many.dev.internal', 'A', { id }))),
  )
  for (const socket of sockets) {
    socket.pause()
    if (!socket.destroyed) socket.write(queries)
  }
  return { sockets, stop: () => stopAll(sockets) }
}

/** Connects, sends a part of a query, and resets, over and over. */
export function resetters(
  port: number,
  atOnce: number,
): Attack & { count: () => number; ended: Promise<unknown> } {
  let going = true
  let count = 0
  const whole = frame(question('db.dev.internal'))
  const loop = async (index: number) => {
    while (going) {
      const socket = await open(port, index)
      if (!socket.destroyed) {
        socket.write(whole.subarray(0, count % whole.length))
        socket.resetAndDestroy()
      }
      count++
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const ended = Promise.all(Array.from({ length: atOnce }, (_, index) => loop(index)))
  return {
    sockets: [],
    count: () => count,
    ended,
    stop() {
      going = false
    },
  }
}

function stopAll(sockets: readonly Socket[]): void {
  for (const [index, socket] of sockets.entries()) {
    if (index % 2 === 0) socket.resetAndDestroy()
    else socket.destroy()
  }
}
