/**
 * Asks a server at a steady pace, and records each query: from the moment in which it was to be sent, whether or not
 * that could be kept, to that in which its answer was received.
 *
 * Usage: dns-pacer.ts PORT ADDRESS QUERIES-PER-SECOND SECONDS; prints JSON, in microseconds
 */
import { AF_INET, bind, DatagramBatch, SOCK_DGRAM, setsockopt, socket } from '../../netns/kernel/index.ts'
import { questions } from './dns-names.ts'

const [port = 0, , rate = 0, seconds = 0] = process.argv.slice(2).map(Number)
const address = process.argv[3] as string
/** Seconds until our own code and the server's are warm; they are not counted. */
const warmup = 0.3
/** Milliseconds after which an answer does not come any more. */
const patience = 1000

function socketAddress(host: string, hostPort: number): Buffer {
  const name = Buffer.alloc(16)
  name.writeUInt16LE(AF_INET, 0)
  name.writeUInt16BE(hostPort, 2)
  name.set(host.split('.').map(Number), 4)
  return name
}

function query(name: string): Buffer {
  const labels = name.split('.').map((label) => `${String.fromCharCode(label.length)}${label}`)
  return Buffer.concat([
    Buffer.of(0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0),
    Buffer.from(`${labels.join('')}\0`, 'latin1'),
    Buffer.of(0, 1, 0, 1),
  ])
}

const fd = socket(AF_INET, SOCK_DGRAM, 0, 'make a socket')
bind(fd, socketAddress(address, 0), 'bind')
const bufferSize = new Uint8Array(Uint32Array.of(4 << 20).buffer)
setsockopt(fd, 1, 33, bufferSize, 'set its receive buffer')

const batch = 64
const room = { count: batch, room: 512, nameLength: 16, destinations: false }
const outgoing = new DatagramBatch(room)
const incoming = new DatagramBatch(room)
for (let place = 0; place < batch; place++) outgoing.name(place).set(socketAddress('127.0.0.1', port))
const queries = questions().map(query)

const skipped = Math.round(rate * warmup)
const total = skipped + Math.round(rate * seconds)
/** By number; NaN until it is answered. */
const latencies = new Float64Array(total).fill(Number.NaN)
/** Which query last had this id. */
const numbers = new Int32Array(0x10000).fill(-1)
const interval = 1000 / rate
let sent = 0
let answered = 0

function sendDue(now: number, begin: number): void {
  const due = Math.min(total, Math.floor((now - begin) / interval) + 1, sent + batch)
  if (due <= sent) return
  outgoing.clear()
  for (let index = 0; sent < due; index++, sent++) {
    const packet = queries[sent % queries.length] as Buffer
    const to = outgoing.contents(index)
    to.set(packet)
    to.writeUInt16BE(sent & 0xffff, 0)
    numbers[sent & 0xffff] = sent
    outgoing.stage(index, packet.length)
  }
  while (outgoing.unsent > 0) {
    const result = outgoing.send(fd)
    if (result < 0 && result !== -11) throw new Error(`sendmmsg: errno ${-result}`)
  }
}

function takeAnswers(begin: number): void {
  const received = incoming.receive(fd)
  if (received <= 0) return
  const now = performance.now()
  for (let index = 0; index < received; index++) {
    const number = numbers[incoming.contents(incoming.placeOf(index)).readUInt16BE(0)] as number
    if (number < 0 || !Number.isNaN(latencies[number])) continue
    latencies[number] = now - (begin + number * interval)
    answered++
  }
}

const begin = performance.now()
const end = begin + total * interval + patience
for (let now = begin; answered < total && now < end; now = performance.now()) {
  sendDue(now, begin)
  takeAnswers(begin)
}

const counted = latencies.subarray(skipped)
const known = counted.filter((latency) => !Number.isNaN(latency)).sort()
const at = (share: number) => (known[Math.floor(share * (known.length - 1))] as number) * 1000
console.log(
  JSON.stringify({
    p50: at(0.5),
    p99: at(0.99),
    'p99.9': at(0.999),
    lost: counted.length - known.length,
    sent,
  }),
)
