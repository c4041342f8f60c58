/**
 * A DNS server with a zone, a view with more names for one client, and the host's resolvers for everything else.
 * Run it, then ask:  dig @127.0.0.1 -p 5353 postgres
 */
import { createDnsServer } from '../dns/index.ts'

await using dns = await createDnsServer({
  zones: ['dev.internal'],
  listen: [{ address: '127.0.0.1', port: Number(process.env.PORT ?? 5353) }],
  upstreams: 'system',
})
dns.zone('dev.internal').set('db', ['10.0.0.7'], { ttl: 5 })
dns.views.set('127.0.0.1', { postgres: 'db', 'api.example.com': 'db' })
dns.on('query', ({ client, name, type, status }) => console.log(client, name, type, status))
console.log(`listening on 127.0.0.1 port ${dns.addresses[0]?.port}`)
await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve))
