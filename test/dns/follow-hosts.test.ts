import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { type Clock, systemClock } from '../../dns/clock.ts'
import { followFile } from '../../dns/hosts-file/follow-file.ts'
import { parseHosts } from '../../dns/hosts-file/parse-hosts.ts'
import { createDnsServer, followHosts } from '../../dns/index.ts'
import { removeTree } from '../remove-tree.ts'
import { until } from './clients.ts'
import { ManualClock } from './manual-clock.ts'

function folder(t: Tap): string {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-hosts-'))
  t.teardown(() => removeTree(directory))
  return directory
}
type Tap = Pick<typeof t, 'teardown'>

t.test('what a hosts file may say (hosts(5))', (t) => {
  const problems: string[] = []
  const lines = parseHosts(
    `# a comment
127.0.0.1\tlocalhost
::1 localhost ip6-localhost ip6-loopback
ff02::1 ip6-allnodes
10.0.0.1  db  Database.dev.internal # two names
fd00::1 db

10.0.0.2
10.0.0.256 wrong
fe80::1%eth0 scoped
127.0.0.1 blocked.dev.internal\r`,
    (line, what) => void problems.push(`${line}: ${what}`),
  )
  t.same(
    lines.map(({ line, address, names }) => `${line} ${address} ${names.join(' ')}`),
    ['5 10.0.0.1 db Database.dev.internal', '6 fd00::1 db', '11 127.0.0.1 blocked.dev.internal'],
  )
  t.same(problems, [
    '8: an address without a name',
    '9: "10.0.0.256" is no address',
    '10: "fe80::1%eth0" is no address',
  ])
  t.end()
})

t.test('a file that somebody is writing is read when it has come to rest', (t) => {
  const path = join(folder(t), 'file')
  writeFileSync(path, 'one')
  const clock = new ManualClock()
  const seen: (string | undefined)[] = []
  using _followed = followFile(path, (text) => void seen.push(text), { clock })
  t.same(seen, ['one'], 'the first time at once')
  writeFileSync(path, '')
  clock.advance(1000)
  writeFileSync(path, 'half')
  clock.advance(49)
  t.same(seen, ['one'])
  writeFileSync(path, 'half and half')
  clock.advance(50)
  t.same(seen, ['one'], 'it changed once more')
  clock.advance(50)
  t.same(seen, ['one', 'half and half'])
  clock.advance(10_000)
  t.equal(seen.length, 2, 'what did not change is not read')
  rmSync(path)
  clock.advance(1050)
  t.same(seen.slice(2), [undefined])
  writeFileSync(path, 'again')
  clock.advance(1050)
  t.same(seen.slice(3), ['again'])
  t.end()
})

t.test('through symbolic links, and in a directory that is replaced', (t) => {
  const directory = folder(t)
  const clock = new ManualClock()
  const path = join(directory, 'd', 'link')
  mkdirSync(join(directory, 'd'))
  writeFileSync(join(directory, 'target'), 'one')
  symlinkSync('../target', path)
  const seen: (string | undefined)[] = []
  using _followed = followFile(path, (text) => void seen.push(text), { clock })
  writeFileSync(join(directory, 'target'), 'two')
  clock.advance(1050)
  t.same(seen, ['one', 'two'], 'the target was written')
  writeFileSync(join(directory, 'other'), 'three')
  symlinkSync('../other', `${path}.new`)
  renameSync(`${path}.new`, path)
  clock.advance(1050)
  t.same(seen.slice(2), ['three'], 'another target')
  renameSync(join(directory, 'd'), join(directory, 'old'))
  mkdirSync(join(directory, 'd'))
  writeFileSync(path, 'four')
  clock.advance(1050)
  t.same(seen.slice(3), ['four'], 'another directory')
  t.end()
})

t.test('the kernel tells of a change before anybody looks', async (t) => {
  const path = join(folder(t), 'file')
  writeFileSync(path, 'one')
  const seen: (string | undefined)[] = []
  // Without polling: no timer of a second ever fires.
  const clock: Clock = {
    now: systemClock.now,
    setTimeout: (fn, ms) => (ms < 1000 ? systemClock.setTimeout(fn, ms) : { [Symbol.dispose]() {} }),
  }
  using _followed = followFile(path, (text) => void seen.push(text), { clock })
  writeFileSync(path, 'two')
  const breathing = setInterval(() => undefined, 1)
  await until(() => seen.length === 2, 'the change')
  clearInterval(breathing)
  t.same(seen, ['one', 'two'])
})

t.test('names of several files, in several zones; one change at a time is seen', async (t) => {
  const directory = folder(t)
  const [one, two] = [join(directory, 'one'), join(directory, 'two')]
  writeFileSync(one, '10.0.0.1 db\n10.0.0.2 x.b.internal x.example.com\n')
  writeFileSync(two, '10.0.0.3 DB.dev.internal mine\n')
  await using dns = await createDnsServer({ zones: ['dev.internal', 'b.internal', 'in.dev.internal'] })
  dns.zone('dev.internal').set('mine', ['10.9.9.9'])
  const problems: string[] = []
  const changes: number[] = []
  dns.on('change', (all) => void changes.push(all.length))
  const clock = new ManualClock()
  using hosts = followHosts(dns, [one, two], {
    clock,
    problem: (what) => void problems.push(what),
    except: new Set(['mine.dev.internal']),
  })
  const zone = dns.zone('dev.internal')
  t.same(zone.get('db'), ['10.0.0.1', '10.0.0.3'])
  t.same(dns.zone('b.internal').get('x'), ['10.0.0.2'])
  t.same(zone.get('mine'), ['10.9.9.9'])
  t.same(problems, [`${one}:2: x.example.com is in no zone of this server`])
  t.same(changes, [2])
  writeFileSync(one, '10.0.0.1 db\n10.0.0.4 y.in.dev.internal\n10.0.0.5 a..b\n')
  clock.advance(1050)
  t.same(zone.get('db'), ['10.0.0.1', '10.0.0.3'])
  t.equal(dns.zone('b.internal').get('x'), undefined)
  t.same(dns.zone('in.dev.internal').get('y'), ['10.0.0.4'])
  t.same(changes, [2, 2], 'only what changed')
  t.match(problems.at(-1), /a\.\.b/)
  hosts[Symbol.dispose]()
  writeFileSync(one, '10.0.0.9 db\n')
  clock.advance(5000)
  t.same(zone.get('db'), ['10.0.0.1', '10.0.0.3'], 'no longer followed')
  t.throws(() => followHosts(dns, [join(directory, 'missing')]), { code: 'HOSTS_FILE' })
  t.throws(() => followHosts(dns, [directory]), { code: 'HOSTS_FILE' })
})

t.test('the old names stay until the new file is whole (D15)', async (t) => {
  const path = join(folder(t), 'hosts')
  writeFileSync(path, '10.0.0.1 one\n')
  await using dns = await createDnsServer({ zones: ['z.test'] })
  const zone = dns.zone('z.test')
  const names = () => [...zone.entries()].map(([name]) => name)
  const clock = new ManualClock()
  using _hosts = followHosts(dns, [path], { clock })
  const write = (text: string) => {
    writeFileSync(path, text)
    clock.advance(1050)
  }
  write('')
  t.same(names(), ['one'], 'it is empty')
  clock.advance(300)
  write('10.0.0.1 o')
  t.same(names(), ['one'], 'it ends within a name')
  write('10.0.0.1 two\n10.0')
  t.same(names(), ['one'], 'it ends within a line')
  write('10.0.0.1 two\n10.0.0.2 three\n')
  t.same(names(), ['two', 'three'], 'a whole file counts at once')

  rmSync(path)
  clock.advance(1050)
  t.same(names(), ['two', 'three'], 'it is gone, perhaps to be made again')
  write('10.0.0.1 four\n')
  t.same(names(), ['four'])

  write('10.0.0.1 five')
  t.same(names(), ['four'])
  clock.advance(1450)
  t.same(names(), ['five'], 'nothing more came: it is meant so')
  write('')
  clock.advance(1500)
  t.same(names(), [])
  write('10.0.0.1 six\n')
  rmSync(path)
  clock.advance(2500)
  t.same(names(), [], 'it is gone for good')
})

t.test('at first a file is taken as it is (D15)', async (t) => {
  const path = join(folder(t), 'hosts')
  writeFileSync(path, '10.0.0.1 one')
  await using dns = await createDnsServer({ zones: ['z.test'] })
  using _hosts = followHosts(dns, [path], { clock: new ManualClock() })
  t.same([...dns.zone('z.test').entries()], [['one', ['10.0.0.1']]])
})
