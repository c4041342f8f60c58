import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { promisify } from 'node:util'
import { frame } from './fake-upstream.ts'

const run = promisify(execFile)

export interface Dug {
  status: string
  answers: string[]
  text: string
}

/** Asks with `dig`. */
export async function dig(port: number, ...args: string[]): Promise<Dug> {
  const { stdout } = await run('dig', ['@127.0.0.1', '-p', String(port), '+tries=1', '+time=8', ...args])
  const section = /;; ANSWER SECTION:\n([\s\S]*?)\n\n/.exec(stdout)?.[1] ?? ''
  return {
    status: /status: (\w+)/.exec(stdout)?.[1] ?? '',
    answers: section
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.replace(/\s+/g, ' ')),
    text: stdout,
  }
}

/** A client over UDP that keeps the answers in the order in which they came. */
export async function udpClient(port: number, from = '127.0.0.1') {
  const socket = createSocket('udp4')
  socket.bind(0, from)
  await once(socket, 'listening')
  const answers: Buffer[] = []
  let wake = () => {}
  socket.on('message', (answer) => {
    answers.push(answer)
    wake()
  })
  return {
    answers,
    send: (message: Buffer, to = port) => socket.send(message, to, '127.0.0.1'),
    /** Waits for the first `count` answers. */
    async received(count: number): Promise<Buffer[]> {
      while (answers.length < count) await new Promise<void>((resolve) => (wake = resolve))
      return answers.slice(0, count)
    },
    [Symbol.dispose]: () => void socket.close(),
  }
}

/** The same over TCP. */
export async function tcpClient(port: number) {
  const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  const answers: Buffer[] = []
  let received: Buffer = Buffer.alloc(0)
  let wake = () => {}
  const ended = new Promise<void>((resolve) => void socket.on('end', resolve).on('close', () => resolve()))
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      answers.push(received.subarray(2, 2 + received.readUInt16BE(0)))
      received = received.subarray(2 + received.readUInt16BE(0))
    }
    wake()
  })
  return {
    socket,
    answers,
    /** Fulfilled when the server has ended or destroyed the connection. */
    ended,
    send: (...messages: Buffer[]) => void socket.write(Buffer.concat(messages.map(frame))),
    async received(count: number): Promise<Buffer[]> {
      while (answers.length < count) await new Promise<void>((resolve) => (wake = resolve))
      return answers.slice(0, count)
    },
    [Symbol.dispose]: () => void socket.destroy(),
  }
}

/** Waits until a condition holds, as seen from the event loop; fails after five seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`${what}: not within five seconds`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
