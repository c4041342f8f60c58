/**
 * Run by ipv6.test.ts in a network namespace of its own: a host that learns its way out from a router's advertisements,
 * as most do, and does not forward IPv6 yet.
 */
import { closeSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { createNamespace } from '../../netns/kernel/index.ts'
import { ownNetwork, run } from './support.ts'

const setting = (name: string) => `/proc/sys/net/ipv6/conf/${name}`
const read = (name: string) => readFileSync(setting(name), 'utf8').trim()

const { fd } = createNamespace(() => undefined)
t.teardown(() => closeSync(fd))
for (const link of ['wan0', 'lan0']) {
  const peer = ['peer', 'name', link, 'netns', `/proc/${process.pid}/fd/${fd}`]
  run('ip', 'link', 'add', link, 'type', 'veth', ...peer)
  run('ip', 'link', 'set', link, 'up')
}
writeFileSync(setting('wan0/accept_ra'), '1')
writeFileSync(setting('lan0/accept_ra'), '0')
writeFileSync(setting('all/forwarding'), '0')

t.test('a host without a way out is left as it is', async (t) => {
  await ownNetwork(t, { ipv6: true })
  t.equal(read('all/forwarding'), '0')
  t.equal(read('wan0/accept_ra'), '1')
})

t.test('one with a way out forwards, and goes on believing the routers that it believed', async (t) => {
  run('ip', 'addr', 'add', '2001:db8::2/64', 'dev', 'wan0', 'nodad')
  run('ip', '-6', 'route', 'add', 'default', 'via', '2001:db8::1', 'dev', 'wan0')
  await ownNetwork(t, { ipv6: true })
  t.equal(read('all/forwarding'), '1')
  t.equal(read('wan0/accept_ra'), '2', 'also while it forwards (ip-sysctl: accept_ra)')
  t.equal(read('lan0/accept_ra'), '0', 'but no others')
  t.match(run('ip', '-6', 'route'), 'default via 2001:db8::1 dev wan0')
})
