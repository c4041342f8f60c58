/** Elements of nftables' sets by netlink; `nft` is the oracle. */
import { closeSync } from 'node:fs'
import t from 'tap'
import {
  concatenation,
  createNamespace,
  linkNameKey,
  Monitor,
  NETLINK_NETFILTER,
  NFNLGRP_NFTABLES,
  NftSocket,
  NftTransactions,
  u32,
} from '../../../netns/kernel/index.ts'
import { inside } from '../support.ts'

function place(t: { teardown(fn: () => void): unknown }) {
  const { fd, value } = createNamespace(() => ({
    nft: new NftSocket(),
    monitor: new Monitor(NETLINK_NETFILTER, [NFNLGRP_NFTABLES], () => {}),
  }))
  t.teardown(() => {
    value.nft.close()
    value.nft.close()
    value.monitor.close()
    closeSync(fd)
  })
  const nft = (...args: string[]) => inside(`/proc/${process.pid}/fd/${fd}`, 'nft', ...args)
  nft('add table bridge b; add set bridge b leases { type ifname . ipv4_addr . ether_addr; }')
  nft('add table inet i; add set inet i pairs { type ipv6_addr . ipv6_addr; }')
  return { ...value, command: nft }
}

const lease = (link: string, last: number) =>
  concatenation(linkNameKey(link), Buffer.of(10, 0, 0, last), Buffer.of(2, 0, 0, 0, 0, last))
const leases = (...keys: Buffer[]) => ({ family: 'bridge', table: 'b', set: 'leases', keys }) as const

t.test('elements of several tables are added and removed in one transaction', async (t) => {
  const { nft, monitor, command } = place(t)
  const pair = concatenation(Buffer.alloc(16, 0xfd), Buffer.alloc(16, 0xfe))
  const pairs = { family: 'inet', table: 'i', set: 'pairs', keys: [pair] } as const
  monitor.drain()
  nft.change({ add: [leases(lease('s1', 7), lease('s22', 8)), pairs] })
  const list = command('list', 'ruleset')
  t.match(list, '"s1" . 10.0.0.7 . 02:00:00:00:00:07')
  t.match(list, '"s22" . 10.0.0.8 . 02:00:00:00:00:08')
  t.match(list, /fdfd:\S+ \. fefe:/)
  const transactions = new NftTransactions().read(monitor.drain().notices)
  t.same(
    transactions.map(({ tables }) => [...tables].sort()),
    [['b', 'i']],
  )
  t.match(transactions[0]?.by, /\(process \d+\)$/)

  nft.change({ add: [leases(lease('s1', 7))] })
  nft.change({ remove: [leases(lease('s1', 7)), pairs], add: [leases(lease('s3', 9))] })
  t.notMatch(command('list', 'ruleset'), /10\.0\.0\.7|fdfd/)
  t.match(command('list', 'ruleset'), '10.0.0.9')
})

t.test('a map’s elements have values, and go without', async (t) => {
  const { nft, command } = place(t)
  command('add map bridge b macs { type mark . ipv4_addr : ether_addr; }')
  const keys = [7, 8].map((last) => concatenation(u32(last), Buffer.of(10, 0, 0, last)))
  const map = { family: 'bridge', table: 'b', set: 'macs', keys } as const
  nft.change({ add: [{ ...map, values: [7, 8].map((last) => Buffer.of(2, 0, 0, 0, 0, last)) }] })
  t.match(command('list', 'ruleset'), '0x00000007 . 10.0.0.7 : 02:00:00:00:00:07')
  t.match(command('list', 'ruleset'), '0x00000008 . 10.0.0.8 : 02:00:00:00:00:08')
  nft.change({ remove: [{ ...map, keys: keys.slice(0, 1) }] })
  t.notMatch(command('list', 'ruleset'), '10.0.0.7')
  t.match(command('list', 'ruleset'), '10.0.0.8')
})

t.test('all of it or nothing, and why', async (t) => {
  const { nft, command } = place(t)
  nft.change({ add: [leases(lease('s1', 7))] })
  t.throws(() => nft.change({ remove: [leases(lease('s1', 7)), leases(lease('s9', 9))] }), {
    code: 'KERNEL',
    errno: 'ENOENT',
    message: /remove from the set leases of bridge b: ENOENT/,
  })
  t.match(command('list', 'ruleset'), '10.0.0.7')
  t.throws(() => nft.change({ add: [{ ...leases(lease('s2', 8)), table: 'none' }] }), {
    code: 'KERNEL',
    errno: 'ENOENT',
  })
  nft.change({})
})

t.test('ten thousand in one', async (t) => {
  const { nft, command } = place(t)
  const many = Array.from({ length: 25 }, (_, part) =>
    leases(...Array.from({ length: 400 }, (_, index) => lease(`s${part * 400 + index}`, index & 0xff))),
  )
  nft.change({ add: many })
  t.equal(command('list', 'set', 'bridge', 'b', 'leases').match(/"s\d+"/g)?.length, 10_000)
  nft.change({ remove: many })
  t.notMatch(command('list', 'set', 'bridge', 'b', 'leases'), 'elements')
})

t.test('a transaction that is told in two parts is one', async (t) => {
  const { nft, monitor } = place(t)
  monitor.drain()
  nft.change({ add: [leases(lease('s1', 7))] })
  const { notices } = monitor.drain()
  const reader = new NftTransactions()
  t.same(reader.read(notices.slice(0, 1)), [])
  t.match(reader.read(notices.slice(1)), [{ tables: new Set(['b']) }])
})
