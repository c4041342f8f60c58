/**
 * Run by docker-user.test.ts in a network namespace of its own, which is made to look as Docker leaves a host: FORWARD
 * at DROP, and a chain for others. Arguments: `iptables-nft` or `iptables-legacy`; `short` leaves out what takes seconds
 * with the latter, of which nobody is told when it changes.
 */
import { closeSync } from 'node:fs'
import t from 'tap'
import { createNetwork, recover } from '../../netns/index.ts'
import { createNamespace } from '../../netns/kernel/index.ts'
import { serveEcho, tryTcp } from './peers.ts'
import { inside, ownPlace, remains, run, until } from './support.ts'

const program = process.argv[2] as string
t.setTimeout(110_000)

const short = process.argv[3] === 'short'
const rules = (chain: string) => run(program, '-S', chain).trim().split('\n')
const exists = (chain: string) => run(program, '-S').includes(`-N ${chain}`)

/** Does what dockerd (20.10) does to a host that forwards: makes the chain, and the jump to it before all else. */
function likeDocker(): void {
  run(program, '-P', 'FORWARD', 'DROP')
  run(program, '-N', 'DOCKER-USER')
  run(program, '-A', 'DOCKER-USER', '-j', 'RETURN')
  run(program, '-I', 'FORWARD', '-j', 'DOCKER-USER')
}

/** The outside, behind a link of this host's; and Docker's own bridge, with a container on it. */
async function neighbours() {
  const open = async (link: string, host: string, there: string) => {
    const { fd } = createNamespace(() => undefined)
    const path = `/proc/${process.pid}/fd/${fd}`
    run('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', path)
    run('ip', 'addr', 'add', `${host}/24`, 'dev', link)
    run('ip', 'link', 'set', link, 'up')
    inside(path, 'ip', 'addr', 'add', `${there}/24`, 'dev', 'eth0')
    inside(path, 'ip', 'link', 'set', 'eth0', 'up')
    inside(path, 'ip', 'route', 'add', 'default', 'via', host)
    await serveEcho(t, fd, 80, false)
    t.teardown(() => closeSync(fd))
  }
  await open('world0', '198.51.100.1', '198.51.100.2')
  await open('docker0', '172.17.0.1', '172.17.0.2')
}

await neighbours()
const place = ownPlace(t)
const chain = `MOORAGE-${place.instance}`
const make = () => createNetwork({ name: 'test', poolSize: 0, ...place })

t.test('the rule is there from the start, first in its chain, and lets out', async (t) => {
  likeDocker()
  await using network = await make()
  const box = await network.createSandbox()
  t.equal((await tryTcp(box.fd, '198.51.100.2', 80)).result, 'open')
  t.match(rules('DOCKER-USER')[1], new RegExp(`--comment "moorage ${place.instance}" -j ${chain}$`))
  t.equal(rules('DOCKER-USER').filter((rule) => rule.includes(chain)).length, 1)
  t.not((await tryTcp(box.fd, '172.17.0.2', 80)).result, 'open', 'not into Docker’s own network')
})

t.test('with the last network it is gone, and Docker’s chain is as it was', async (t) => {
  t.same(rules('DOCKER-USER'), ['-N DOCKER-USER', '-A DOCKER-USER -j RETURN'])
  t.notOk(exists(chain))
  t.same(remains(place), [])
})

t.test('it is put back when somebody flushes the chain, and moved up when it is not the first', async (t) => {
  await using network = await make()
  const box = await network.createSandbox()
  run(program, '-F', 'DOCKER-USER')
  await until('it is back', () => rules('DOCKER-USER').some((rule) => rule.includes(chain)), 15_000)
  t.equal((await tryTcp(box.fd, '198.51.100.2', 80)).result, 'open')
  if (short) return
  run(program, '-I', 'DOCKER-USER', '-s', '192.0.2.0/24', '-j', 'DROP')
  await until('it is first', () => (rules('DOCKER-USER')[1] ?? '').includes(chain), 15_000)
  t.equal(rules('DOCKER-USER').filter((rule) => rule.includes(chain)).length, 1)
  t.match(rules('DOCKER-USER').at(-1), '192.0.2.0/24', 'other people’s rules stay')
  run(program, '-F', chain)
  await until('its own rules are back', () => rules(chain).length === 6, 15_000)
})

t.test('Docker that is started later is noticed', async (t) => {
  run(program, '-F')
  run(program, '-X', 'DOCKER-USER')
  run(program, '-P', 'FORWARD', 'ACCEPT')
  await using network = await make()
  const box = await network.createSandbox()
  t.equal((await tryTcp(box.fd, '198.51.100.2', 80)).result, 'open')
  likeDocker()
  await until('it is there', () => rules('DOCKER-USER').some((rule) => rule.includes(chain)), 15_000)
  t.equal((await tryTcp(box.fd, '198.51.100.2', 80)).result, 'open')
})

t.test('a FORWARD at DROP that is not Docker’s is left alone, and lets nobody out', async (t) => {
  run(program, '-F')
  run(program, '-X', 'DOCKER-USER')
  run(program, '-P', 'FORWARD', 'DROP')
  await using network = await make()
  const [box, other] = [await network.createSandbox(), await network.createSandbox()]
  await serveEcho(t, other.fd, 80, false)
  t.not((await tryTcp(box.fd, '198.51.100.2', 80)).result, 'open', 'the control: it does forbid')
  t.equal((await tryTcp(box.fd, other.address, 80)).result, 'open', 'within the network all is well')
  t.same(rules('FORWARD'), ['-P FORWARD DROP'])
  likeDocker()
})

t.test('recovery removes what a killed process left', async (t) => {
  const network = await make()
  await network.giveUp()
  // As after a crash: nobody holds the network, and its rule is still there.
  run(program, '-N', chain)
  run(program, '-I', 'DOCKER-USER', '-m', 'comment', '--comment', `moorage ${place.instance}`, '-j', chain)
  const { removed } = await recover(place)
  t.ok(removed.includes(`${program} rule in DOCKER-USER`), removed.join('; '))
  t.notOk(exists(chain))
  t.notOk(rules('DOCKER-USER').some((rule) => rule.includes(chain)))
})
