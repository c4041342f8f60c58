/** The members of a network and their names: DNS and hosts files say the same, at the same time. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import type { Member } from '../../src/network/index.ts'
import { foreigner, inside, openFiles, remains } from '../netns/support.ts'
import { removeTree } from '../remove-tree.ts'
import { ownServiceNetwork, shown } from './own-network.ts'

t.setTimeout(120_000)

/** Resolves a name inside a member's namespace, by dig. */
async function dig(member: Member, gateway: string, name: string): Promise<string> {
  const child = member.sandbox.spawn('dig', ['+short', '+tries=1', `@${gateway}`, name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return (await text(child.stdout as NonNullable<typeof child.stdout>)).trim()
}

const hosts = (member: Member) => readFileSync(member.hostsFile, 'utf8').trimEnd().split('\n').slice(2)

t.test('a member has its names, and its aliases are its own', async (t) => {
  const web = await ownServiceNetwork(t)
  const { gateway } = web.network
  const db = await web.join({ name: 'db', names: ['postgres-16'] })
  const one = await web.join({ aliases: { postgres: 'db', 'api.example.com': 'db' } })
  const two = await web.join({ aliases: { postgres: 'later' } })

  t.equal(await dig(one, gateway, 'db.moorage.internal'), db.address)
  t.equal(await dig(two, gateway, 'postgres-16.moorage.internal'), db.address)
  t.equal(await dig(one, gateway, 'postgres'), db.address)
  t.equal(await dig(one, gateway, 'api.example.com'), db.address, 'a name of the outside world')
  t.equal(await dig(two, gateway, 'postgres'), '', 'what it stands for is not there yet')
  t.same(hosts(one), [`${db.address} postgres`, `${db.address} api.example.com`])
  t.same(hosts(two), [])
  t.same(hosts(db), [`${db.address} db.moorage.internal db postgres-16.moorage.internal postgres-16`])
  t.equal(readFileSync(one.resolvConf, 'utf8'), `nameserver ${gateway}\noptions ndots:0\n`)

  const later = await web.join({ name: 'later' })
  t.equal(await dig(two, gateway, 'postgres'), later.address, 'now it is')
  t.same(hosts(two), [`${later.address} postgres`])
  t.ok(web.isBound(two.address, ['later']))
  t.notOk(web.isBound(one.address, ['later']))

  await later.release()
  await later.ended
  t.equal(await dig(two, gateway, 'later.moorage.internal'), '')
  t.same(hosts(two), [])
  t.notOk(existsSync(later.hostsFile))
})

t.test('aliases can be changed while the member runs', async (t) => {
  const web = await ownServiceNetwork(t)
  const [red, blue] = [await web.join({ name: 'red' }), await web.join({ name: 'blue' })]
  const client = await web.join({ aliases: { db: 'red' } })
  await client.setAliases({ db: 'blue', 'www.example.org': 'red' })
  t.equal(await dig(client, web.network.gateway, 'db'), blue.address)
  t.equal(await dig(client, web.network.gateway, 'www.example.org'), red.address)
  t.same(hosts(client), [`${blue.address} db`, `${red.address} www.example.org`])
  t.notOk(web.isBound(client.address, ['gone']))

  const before = shown(web)
  await t.rejects(client.setAliases({ localhost: 'red' }), { code: 'INVALID_NAME' })
  await t.rejects(client.setAliases({ db: 'red', 'with space': 'blue' }), { code: 'INVALID_NAME' })
  t.same(shown(web), before, 'a change that cannot be is none')
  await client.release()
  await t.rejects(client.setAliases({ db: 'red' }), { message: /has left/ })
})

t.test('a name belongs to a service before it belongs to a run of equal definition', async (t) => {
  const web = await ownServiceNetwork(t)
  const run = await web.join({ name: 'same' })
  const client = await web.join({ aliases: { it: 'same' } })
  t.same(hosts(client), [`${run.address} it`])
  const service = await web.join({ name: 'same', service: true })
  t.same(hosts(client), [`${service.address} it`])
  await service.release()
  t.same(hosts(client), [`${run.address} it`])
})

t.test('a process that was started by hand gets names and aliases, until it ends', async (t) => {
  const web = await ownServiceNetwork(t)
  const db = await web.join({ name: 'db' })
  const process = await foreigner(t)
  const ci = await web.adopt({ pid: process.pid }, { name: 'ci', aliases: { postgres: 'db' } })
  const asked = inside(ci.namespace, 'ip', '-o', 'addr')
  t.match(asked, ci.address)
  t.equal(await dig(ci, web.network.gateway, 'postgres'), db.address)
  t.equal(await dig(db, web.network.gateway, 'ci.moorage.internal'), ci.address)
  t.same(hosts(ci), [`${ci.address} ci.moorage.internal ci`, `${db.address} postgres`])

  await process.end()
  await ci.ended
  t.equal(await dig(db, web.network.gateway, 'ci.moorage.internal'), '')
  t.notOk(existsSync(ci.hostsFile))
  t.equal(web.network.sandboxes, 1)
  await t.rejects(web.adopt({ pid: process.pid }), { code: 'BAD_NAMESPACE' })
})

t.test('many come and go at once, and each sees what is', async (t) => {
  const web = await ownServiceNetwork(t)
  const members = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      web.join({ name: `m${index}`, aliases: { next: `m${(index + 1) % 40}` } }),
    ),
  )
  for (const [index, member] of members.entries()) {
    const next = members[(index + 1) % 40] as Member
    t.match(hosts(member), [/^/, `${next.address} next`])
  }
  await Promise.all(members.filter((_, index) => index % 2 === 0).map((member) => member.release()))
  t.equal(web.records().filter(({ view }) => view === 'zone').length, 20)
  for (const member of members.filter((_, index) => index % 2 === 1)) t.equal(hosts(member).length, 1)
  await Promise.all(members.map((member) => member.release()))
  t.same(web.records(), [])
  t.equal(web.network.sandboxes, 0)
})

for (const step of ['grant', 'dns', 'hosts', 'revoke'] as const) {
  t.test(`a change that fails at "${step}" leaves nothing of it`, async (t) => {
    let failing: string | undefined
    const web = await ownServiceNetwork(t, {
      beforeStep(at) {
        if (at === failing) throw new Error(`${at} failed`)
      },
    })
    const db = await web.join({ name: 'db', aliases: { me: 'db' } })
    const client = await web.join({ name: 'client', aliases: { db: 'db', next: 'new' } })
    const before = shown(web)
    const files = openFiles()
    const process = await foreigner(t)

    failing = step
    await t.rejects(web.join({ name: 'new', aliases: { a: 'db' } }), { message: `${step} failed` })
    await t.rejects(web.adopt({ pid: process.pid }, { name: 'new' }), { message: `${step} failed` })
    await t.rejects(client.setAliases({ other: 'db' }), { message: `${step} failed` })
    failing = undefined
    t.same(shown(web), before)
    t.equal(web.network.sandboxes, 2)
    t.notMatch(inside(`/proc/${process.pid}/ns/net`, 'ip', '-o', 'link'), 'eth0')
    const leases = inside(web.network.namespace, 'nft', 'list', 'ruleset').match(/"s\d+" \. [\d.]+/g)
    t.equal(leases?.length, 2, 'no lease is left')
    t.equal(openFiles(), files + 2, 'no descriptor, but the pipes of the process')
    t.equal(await dig(client, web.network.gateway, 'db'), db.address, 'and all goes on')
    t.match(await web.join({ name: 'new' }), { address: /./ })
    t.match(hosts(client), [/client/, /db$/, /next$/])
  })
}

t.test('a hosts file that cannot be written is the whole change’s failure', async (t) => {
  const web = await ownServiceNetwork(t)
  const client = await web.join({ aliases: { db: 'db' } })
  // A real one: where its file was there is a directory.
  rmSync(client.hostsFile)
  mkdirSync(client.hostsFile)
  await t.rejects(web.join({ name: 'db' }), { message: /EISDIR/ })
  t.same(
    web.records().filter(({ view }) => view === 'zone'),
    [],
    'nobody has the name',
  )
  t.equal(web.network.sandboxes, 1)
  removeTree(client.hostsFile)
  writeFileSync(client.hostsFile, '')
  const db = await web.join({ name: 'db' })
  t.same(hosts(client), [`${db.address} db`])
})

t.test('a name that is none, or an alias that is none: nothing is made', async (t) => {
  const web = await ownServiceNetwork(t)
  await t.rejects(web.join({ name: 'not a name' }), { code: 'INVALID_NAME' })
  await t.rejects(web.join({ aliases: { 'a\nb': 'db' } }), { code: 'INVALID_NAME' })
  await t.rejects(web.join({ signal: AbortSignal.abort(new Error('too late')) }), { message: 'too late' })
  t.same(shown(web).length, 1, 'resolv.conf alone')
  t.equal(web.network.sandboxes, 0)
})

t.test('what cannot become a network leaves nothing', async (t) => {
  await t.rejects(ownServiceNetwork(t, { zone: 'not a zone' }), { code: 'INVALID_NAME' })
  await t.rejects(ownServiceNetwork(t, { subnet: '10.0.0.0/99' }), { code: 'BAD_CIDR' })
})

t.test('with the network all its members end', async (t) => {
  const web = await ownServiceNetwork(t)
  const process = await foreigner(t)
  const [joined, adopted] = [
    await web.join({ name: 'a' }),
    await web.adopt({ pid: process.pid }, { name: 'b' }),
  ]
  await web.close()
  await Promise.all([joined.ended, adopted.ended])
  await Promise.all([joined.release(), adopted.release()])
  t.same(remains(web.place), [])
  t.notOk(existsSync(join(web.place.runDirectory, 'hosts', 'test')))
})

t.test('with isolation "bindings" only what is bound is resolved, and reached', async (t) => {
  const web = await ownServiceNetwork(t, { isolation: 'bindings', ipv6: true })
  const { gateway } = web.network
  const [db, other] = [await web.join({ name: 'db' }), await web.join({ name: 'other' })]
  const client = await web.join({ name: 'client', aliases: { postgres: 'db' } })
  const stranger = await web.join({})
  for (const member of [db, other]) {
    const server = await member.sandbox.listenTcp(80, '0.0.0.0')
    const server6 = await member.sandbox.listenTcp(80, '::')
    for (const one of [server, server6]) {
      one.on('connection', (socket) => socket.on('error', () => {}).end('hello'))
      t.teardown(() => one.close())
    }
  }
  const reach = async (from: Member, to: Member) => {
    const tried = [to.address, to.address6 as string].map((address) =>
      from.sandbox.connectTcp(address, 80, { timeout: 3000 }).then(
        (socket) => text(socket).catch((error) => error.code),
        (error) => error.code,
      ),
    )
    return Promise.all(tried)
  }

  t.equal(await dig(client, gateway, 'postgres'), db.address)
  t.equal(await dig(client, gateway, 'db.moorage.internal'), db.address)
  t.equal(await dig(client, gateway, 'client.moorage.internal'), client.address, 'itself')
  t.equal(await dig(client, gateway, 'other.moorage.internal'), '')
  t.equal(await dig(stranger, gateway, 'db.moorage.internal'), '')
  t.equal(await dig(stranger, gateway, reverseOf(db.address)), '', 'nor by its address')
  t.same(await reach(client, db), ['hello', 'hello'])
  t.same(await reach(client, other), ['ECONNREFUSED', 'ECONNREFUSED'])
  t.same(await reach(stranger, db), ['ECONNREFUSED', 'ECONNREFUSED'])
  t.match(hosts(client), [/client/, /client/, `${db.address} postgres`, `${db.address6} postgres`])
  const unjoined = await web.network.createSandbox()
  const asked = unjoined.spawn('dig', ['+short', '+tries=1', `@${gateway}`, 'db.moorage.internal'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.equal(await text(asked.stdout as NonNullable<typeof asked.stdout>), '', 'who is no member sees no names')

  await client.setAliases({ it: 'other' })
  t.same(await reach(client, other), ['hello', 'hello'])
  t.same(await reach(client, db), ['ECONNREFUSED', 'ECONNREFUSED'])
  await stranger.setAliases({ later: 'later' })
  const later = await web.join({ name: 'later' })
  const server = await later.sandbox.listenTcp(80, '0.0.0.0')
  t.teardown(() => server.close())
  server.on('connection', (socket) => socket.on('error', () => {}).end('later'))
  t.equal((await reach(stranger, later))[0], 'later', 'a service that comes after its client')
  await later.release()
  t.same(
    web.records().filter(({ value }) => value === later.address),
    [],
  )
})

const reverseOf = (address: string) => `${address.split('.').reverse().join('.')}.in-addr.arpa`

t.test('a name of a member is a name by itself, for everybody in its network (E12)', async (t) => {
  const web = await ownServiceNetwork(t)
  const { gateway } = web.network
  const other = await web.join({ name: 'ab12', names: ['other'] })
  const client = await web.join({ aliases: { db: 'ab12' } })
  for (const member of [client, other]) {
    for (const name of ['other', 'ab12', 'OTHER', 'other.moorage.internal']) {
      t.equal(await dig(member, gateway, name), other.address, name)
    }
  }
  t.equal((await web.query('other', 'A')).answers[0]?.data, other.address)
  for (const name of ['x.db', 'x.other', '_amqp._tcp.other']) {
    t.equal((await web.query(name, 'A', { as: client.address })).status, 'NXDOMAIN', name)
  }
  await other.release()
  t.equal(await dig(client, gateway, 'other'), '')
})

t.test('with isolation by bindings, for those who are bound (E12)', async (t) => {
  const web = await ownServiceNetwork(t, { isolation: 'bindings' })
  const { gateway } = web.network
  const bound = await web.join({ aliases: { db: 'ab12' } })
  const stranger = await web.join({ name: 'me' })
  const other = await web.join({ name: 'ab12', names: ['other'], service: true })
  const names = ['db', 'other', 'ab12', 'other.moorage.internal']
  for (const name of names) t.equal(await dig(bound, gateway, name), other.address, name)
  for (const name of names) t.equal(await dig(stranger, gateway, name), '', name)
  t.equal(await dig(stranger, gateway, 'me'), stranger.address)
  t.equal(await dig(other, gateway, 'other'), other.address)
  await bound.setAliases({})
  for (const name of names) t.equal(await dig(bound, gateway, name), '', `${name}, no longer bound`)
  await bound.setAliases({ db: 'ab12' })
  await other.release()
  const next = await web.join({ name: 'ab12', names: ['another'], service: true })
  t.equal(await dig(bound, gateway, 'another'), next.address)
  t.equal(await dig(bound, gateway, 'other'), '')
})

t.test('glibc sees both addresses of an alias in a hosts file (E10)', async (t) => {
  const web = await ownServiceNetwork(t, { ipv6: true })
  const service = await web.join({ name: 'ab12', names: ['six'] })
  const client = await web.join({ aliases: { w: 'ab12' } })
  const empty = join(web.place.runDirectory, 'empty')
  writeFileSync(empty, '')
  const resolved = async (name: string, hostConf: string) => {
    const script = `mount --bind ${client.hostsFile} /etc/hosts && mount --bind ${client.resolvConf} /etc/resolv.conf &&
      mount --bind ${hostConf} /etc/host.conf && getent ahosts ${name} | awk '{ print $1 }' | sort -u`
    const child = client.sandbox.spawn('unshare', ['--mount', 'sh', '-c', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    return (await text(child.stdout as NonNullable<typeof child.stdout>)).trim().split('\n')
  }
  const both = [service.address, service.address6].sort()
  t.same((await resolved('w', client.hostConf as string)).sort(), both)
  t.same((await resolved('six', client.hostConf as string)).sort(), both, 'by DNS')
  t.equal((await resolved('w', empty)).length, 1, 'the control: without host.conf it is one of them')
  const plain = await (await ownServiceNetwork(t, { name: 'plain' })).join()
  t.equal(plain.hostConf, undefined)
})
