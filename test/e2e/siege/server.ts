/** A DNS server as a process of its own, for tests that besiege it. Tells its state when asked. */
import { readdirSync } from 'node:fs'
import { createDnsServer, type Limits } from '../../../dns/index.ts'
import { memoryHeld } from '../../dns/fuzz/bounds.ts'
import { preferOurselves } from './priority.ts'

preferOurselves()

const dns = await createDnsServer({
  zones: ['dev.internal'],
  listen: [{ address: '127.0.0.1', port: 0 }],
  limits: JSON.parse(process.argv[2] ?? '{}') as Partial<Limits>,
})
dns.zone('dev.internal').set('db', ['10.0.0.7'])
dns.zone('dev.internal').set(
  'many',
  Array.from({ length: 100 }, (_, index) => `10.0.9.${index}`),
)

process.on('message', (request) => {
  if (request === 'close') {
    void dns.close().then(() => process.disconnect())
    return
  }
  process.send?.({
    counters: { ...dns.counters },
    descriptors: readdirSync('/proc/self/fd').length,
    memory: memoryHeld(),
    cpu: process.cpuUsage(),
  })
})
// Whoever started it is gone.
process.on('disconnect', () => process.exit())
process.send?.({ port: dns.addresses[0]?.port })
