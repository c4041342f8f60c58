/**
 * Asks a DNS server for a name every 2 ms, from inside the network namespace that it was started in, until stdin ends;
 * then prints how long each answer took, in milliseconds, as JSON. An answer that has not come after 1 s counts as that.
 *
 * Usage: dns-prober-program.ts SERVER NAME [PORT]
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'

const [server = '', name = '', port = '53'] = process.argv.slice(2)
const patience = 1_000
const socket = createSocket('udp4')
socket.bind()
await once(socket, 'listening')

const asked = new Map<number, number>()
const times: number[] = []
socket.on('message', (answer) => {
  const id = answer.readUInt16BE(0)
  const began = asked.get(id)
  if (began === undefined) return
  asked.delete(id)
  if ((answer.readUInt16BE(2) & 0xf) !== 0)
    throw new Error(`the answer has code ${answer.readUInt16BE(2) & 0xf}`)
  times.push(performance.now() - began)
})

const labels = name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)]))
const question = Buffer.concat([
  Buffer.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
  ...labels,
  Buffer.from([0, 0, 1, 0, 1]),
])
let id = 0
const asking = setInterval(() => {
  id = (id + 1) & 0xffff
  question.writeUInt16BE(id, 0)
  asked.set(id, performance.now())
  socket.send(question, Number(port), server)
}, 2)
process.stdout.write('asking\n')
process.stdin.resume()
await once(process.stdin, 'end')
clearInterval(asking)
const deadline = performance.now() + patience
while (asked.size > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10))
for (const _ of asked) times.push(patience)
process.stdout.write(`${JSON.stringify(times)}\n`)
socket.close()
