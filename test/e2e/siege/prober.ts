/**
 * Asks over UDP at a steady pace, as a process of its own, and prints what each answer took: nothing that its parent
 * does in the meantime is in these figures. Usage: prober.ts PORT QUERIES PACE
 */
import { createSocket } from 'node:dgram'
import { question } from '../../dns/wire.ts'
import { preferOurselves } from './priority.ts'

preferOurselves()
const [port = 0, queries = 0, pace = 1] = process.argv.slice(2).map(Number)
const socket = createSocket({ type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) })
await new Promise<void>((resolve) => void socket.bind(0, '127.0.0.1', resolve))

const sent = new Float64Array(queries)
const took: number[] = []
const done = Promise.withResolvers<void>()
socket.on('message', (answer) => {
  took.push(performance.now() - (sent[answer.readUInt16BE(0)] ?? 0))
  if (took.length === queries) done.resolve()
})
let next = 0
const timer = setInterval(() => {
  if (next === queries) {
    clearInterval(timer)
    setTimeout(done.resolve, 2000).unref()
    return
  }
  const message = question('db.dev.internal', 'A', { id: next })
  sent[next++] = performance.now()
  socket.send(message, port, '127.0.0.1')
}, pace)
await done.promise
clearInterval(timer)
socket.close()
took.sort((a, b) => a - b)
const quantile = (share: number) => took[Math.min(took.length - 1, Math.floor(share * took.length))]
console.log(
  JSON.stringify({ lost: queries - took.length, p50: quantile(0.5), p99: quantile(0.99), max: took.at(-1) }),
)
