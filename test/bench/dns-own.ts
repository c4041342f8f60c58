/**
 * Our server in a process of its own, as the daemon has it: with a batched socket, or Node's own (`batched` or `plain`).
 * It ends when its standard input does.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createDnsServer, type Listen } from '../../dns/index.ts'
import { bindBatchedUdp } from '../../netns/index.ts'
import { records, views, zone } from './dns-names.ts'

const [kind, portText] = process.argv.slice(2)
const port = Number(portText)
const address = '127.0.0.1'

async function listen(): Promise<Listen> {
  if (kind === 'plain') return { address, port }
  const tcp = createServer({ allowHalfOpen: true }).listen(port, address)
  await once(tcp, 'listening')
  return { udp: bindBatchedUdp(address, port), tcp }
}

const dns = await createDnsServer({ zones: [zone], reverse: ['10.0.0.0/8'], listen: [await listen()] })
dns.update((tx) => {
  for (const [name, own] of records) tx.zone(zone).set(name, [own])
  for (const [client, aliases] of views()) tx.views.set(client, aliases)
})
dns.on('error', (error) => console.error(error))
process.stdin.resume().on('end', () => dns.close())
console.log('ready')
