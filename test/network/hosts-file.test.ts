import { mkdtempSync, readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { hostsText, writeHostsFile } from '../../src/network/hosts-file.ts'
import { NameClaims } from '../../src/network/name-claims.ts'
import { removeTree } from '../remove-tree.ts'

const redis = (address: string) => [{ address, names: ['redis-srv', 'cache'] }]

t.test('a hosts file holds localhost and what was given', async (t) => {
  t.equal(
    hostsText([...redis('10.0.0.2'), { address: '10.0.0.3', names: [] }]),
    '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n10.0.0.2 redis-srv cache\n',
  )
})

t.test('it is rewritten in place: the same file, never shorter, never empty', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-hosts-'))
  t.teardown(() => removeTree(directory))
  const path = join(directory, 'hosts')
  writeHostsFile(path, redis('10.100.100.100'))
  const before = statSync(path)
  writeHostsFile(path, redis('10.0.0.2'))
  const after = statSync(path)
  t.equal(after.ino, before.ino, 'a bind mount of it sees the change')
  t.equal(after.size, before.size)
  t.equal(readFileSync(path, 'utf8').trimEnd(), hostsText(redis('10.0.0.2')).trimEnd())
  writeHostsFile(path, [...redis('10.0.0.2'), { address: '10.0.0.9', names: ['longer.example.com'] }])
  t.match(readFileSync(path, 'utf8'), '10.0.0.9 longer.example.com\n')
})

t.test('a name belongs to its oldest holder, but to a service before a run', async (t) => {
  const claims = new NameClaims()
  const run = { address: '10.0.0.2', address6: undefined, service: false }
  const service = { address: '10.0.0.3', address6: 'fd00::3', service: true }
  claims.add('db', run)
  t.same(claims.addressesOf('db'), ['10.0.0.2'])
  claims.add('db', service)
  t.same(claims.addressesOf('db'), ['10.0.0.3', 'fd00::3'])
  claims.remove('db', service)
  t.same(claims.addressesOf('db'), ['10.0.0.2'])
  claims.remove('db', run)
  t.same(claims.addressesOf('db'), [])
})
