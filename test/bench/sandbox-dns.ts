/** How long a sandbox waits for a DNS answer of the process that is destroying a thousand others. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { createDnsServer } from '../../dns/index.ts'
import type { Network, Sandbox } from '../../netns/index.ts'

/** Asks every other millisecond until its stdin ends, and prints how long each answer took. */
const client = `
import dgram from 'node:dgram'
const [gateway] = process.argv.slice(1)
const socket = dgram.createSocket('udp4')
const name = ['db', 'bench', 'internal'].flatMap((label) => [label.length, ...Buffer.from(label)])
const sent = new Map()
const took = []
let id = 0
socket.on('message', (answer) => {
  took.push(performance.now() - sent.get(answer.readUInt16BE(0)))
  sent.delete(answer.readUInt16BE(0))
})
const ask = () => {
  id = (id + 1) & 0xffff
  const query = Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...name, 0, 0, 1, 0, 1])
  sent.set(id, performance.now())
  socket.send(query, 53, gateway)
}
socket.bind(0, () => {
  const timer = setInterval(ask, 2)
  process.stdin.resume().on('end', () => {
    clearInterval(timer)
    setTimeout(() => {
      console.log(JSON.stringify({ took, lost: sent.size }))
      socket.close()
    }, 500)
  })
  console.log('ready')
})`

export interface Waits {
  /** Milliseconds, one for each answer. */
  took: number[]
  lost: number
}

/** @param meanwhile - what the process does while it is asked */
export async function askWhile(
  network: Network,
  box: Sandbox,
  meanwhile: () => Promise<void>,
): Promise<Waits> {
  const udp = network.bindBatchedUdp(network.gateway, 53)
  await using dns = await createDnsServer({ zones: ['bench.internal'], listen: [{ udp }], upstreams: 'none' })
  dns.zone('bench.internal').set('db', ['10.0.0.1'])
  const child = spawn(
    'nsenter',
    [`--net=${box.namespace}`, process.execPath, '--input-type=module', '-e', client, network.gateway],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  await once(child.stdout, 'data')
  await meanwhile()
  child.stdin.end()
  return JSON.parse(await text(child.stdout)) as Waits
}
