/**
 * Run by docker-engine.test.ts in the network namespace of a Docker engine: to this process that is the host, with all
 * that the engine did to it.
 */
import { closeSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { createNamespace } from '../../netns/kernel/index.ts'
import { isolationMatrix } from './matrix.ts'
import { serveEcho, tryTcp } from './peers.ts'
import { inside, run } from './support.ts'

t.setTimeout(170_000)

t.test('the engine has shut this host: the control', async (t) => {
  t.match(run('iptables', '-S', 'FORWARD'), '-P FORWARD DROP')
  t.match(run('iptables', '-S'), '-N DOCKER-USER')
  t.equal(
    readFileSync('/proc/sys/net/bridge/bridge-nf-call-iptables', 'utf8').trim(),
    '1',
    'br_netfilter is on',
  )

  // Two namespaces on a plain bridge of this host's: what other tools make, and what then does not work.
  run('ip', 'link', 'add', 'plain0', 'type', 'bridge')
  run('ip', 'link', 'set', 'plain0', 'up')
  const ends = [1, 2].map((number) => {
    const { fd } = createNamespace(() => undefined)
    t.teardown(() => closeSync(fd))
    const path = `/proc/${process.pid}/fd/${fd}`
    run('ip', 'link', 'add', `plain0p${number}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', path)
    run('ip', 'link', 'set', `plain0p${number}`, 'master', 'plain0', 'up')
    inside(path, 'ip', 'addr', 'add', `203.0.113.${number}/24`, 'dev', 'eth0')
    inside(path, 'ip', 'link', 'set', 'eth0', 'up')
    return { fd, address: `203.0.113.${number}` }
  })
  const [one, other] = ends as [{ fd: number; address: string }, { fd: number; address: string }]
  await serveEcho(t, other.fd, 8080, false)
  t.not((await tryTcp(one.fd, other.address, 8080)).result, 'open')
  run('iptables', '-P', 'FORWARD', 'ACCEPT')
  t.equal(
    (await tryTcp(one.fd, other.address, 8080)).result,
    'open',
    'it is the engine’s policy that forbids it',
  )
  run('iptables', '-P', 'FORWARD', 'DROP')
  run('ip', 'link', 'del', 'plain0')
})

t.test('who reaches whom, and the way out, as without an engine', (t) => {
  // As a host with a way out by IPv6 does, which a namespace of its own lacks.
  writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '1')
  return isolationMatrix(t)
})

t.test('what the engine had is as it was', async (t) => {
  t.match(run('iptables', '-S', 'FORWARD'), '-P FORWARD DROP')
  t.same(run('iptables', '-S', 'DOCKER-USER').trim().split('\n'), [
    '-N DOCKER-USER',
    '-A DOCKER-USER -j RETURN',
  ])
  t.notMatch(run('iptables', '-S'), 'MOORAGE')
})
