/** Run by check-host.test.ts in a network namespace of its own, which is given one ailment after the other. */
import { chmodSync } from 'node:fs'
import t from 'tap'
import { checkHost, createNetwork, type Probe } from '../../netns/index.ts'
import { ownPlace, run } from './support.ts'

t.setTimeout(110_000)

const place = ownPlace(t)
const probe = async (name: string): Promise<Probe> => {
  const found = (await checkHost(place.runDirectory)).find((one) => one.name === name)
  if (found === undefined) throw new Error(`no probe is called ${name}`)
  return found
}
const nft = (...lines: string[]) => run('nft', lines.join('; '))

t.test('with nothing around, all is well', async (t) => {
  for (const name of ['way out', 'br_netfilter', 'rp_filter', 'subnets', 'other instances', 'leftovers']) {
    t.match(await probe(name), { name, ok: true, remedy: '' })
  }
  t.match(await probe('way out'), { detail: 'no other firewall refuses to forward' })
  t.match(await probe('names on the host'), { ok: true, detail: /no network is there now/ })
})

t.test('a FORWARD at DROP, by either kind of iptables: the remedy is the rule itself', async (t) => {
  for (const program of ['iptables', 'ip6tables', 'iptables-legacy']) {
    run(program, '-P', 'FORWARD', 'DROP')
    const found = await probe('way out')
    t.match(found, { ok: false, detail: /drops what is forwarded/ }, program)
    t.match(found.remedy, `${program} -I FORWARD -i moor+ -j ACCEPT`)
    for (const line of found.remedy.split('; ')) run('sh', '-c', line)
    t.match(await probe('way out'), { ok: true }, 'run as it is, it cures it')
    run(program, '-P', 'FORWARD', 'ACCEPT')
    run(program, '-F', 'FORWARD')
  }
})

t.test('Docker’s is no ailment, since there is a rule for it', async (t) => {
  run('iptables', '-P', 'FORWARD', 'DROP')
  run('iptables', '-N', 'DOCKER-USER')
  t.match(await probe('way out'), { ok: true, detail: /DOCKER-USER lets containers out/ })
  run('ip6tables', '-P', 'FORWARD', 'DROP')
  t.match(
    await probe('way out'),
    { ok: false, remedy: /^ip6tables / },
    'but for IPv6 nobody has said anything',
  )
  run('iptables', '-X', 'DOCKER-USER')
  run('ip6tables', '-P', 'FORWARD', 'ACCEPT')
})

t.test('ufw and firewalld are told in their own words', async (t) => {
  run('iptables', '-N', 'ufw-user-forward')
  t.match(await probe('way out'), { ok: false, remedy: 'ufw route allow in on moor+' })
  run('iptables', '-P', 'FORWARD', 'ACCEPT')
  run('iptables', '-X', 'ufw-user-forward')
  nft(
    'add table inet firewalld',
    'add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; policy drop; }',
  )
  t.match(await probe('way out'), { ok: false, remedy: /^firewall-cmd .*--add-interface=moor\+/ })
  nft('delete table inet firewalld')
})

t.test('br_netfilter and rp_filter are told, and do no harm', async (t) => {
  t.match(await probe('br_netfilter'), { ok: true, detail: /^on: / })
  run('sh', '-c', 'for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo 0 >$f; done')
  t.match(await probe('br_netfilter'), { ok: true, detail: 'off' })
  run('sh', '-c', 'echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter')
  t.match(await probe('rp_filter'), { ok: true, detail: /^strict on all/ })
})

t.test('routes in the way', async (t) => {
  run('ip', 'link', 'add', 'vpn0', 'type', 'bridge')
  run('ip', 'link', 'set', 'vpn0', 'up')
  const network = await createNetwork({ name: 'mine', poolSize: 0, ...place })
  t.teardown(() => network.destroy())
  t.match(await probe('subnets'), { ok: true })
  const names = await probe('names on the host')
  t.match(names.detail, `~moorage.internal`)
  t.match(names.detail, network.gateway)
  run('ip', 'route', 'add', '10.0.0.0/8', 'dev', 'vpn0')
  const met = await probe('subnets')
  t.match(met, { ok: false, remedy: /--subnet/ })
  t.match(met.detail, `mine (${network.subnet}) meets the route 10.0.0.0/8 on vpn0`)
  await network.destroy()
  t.match(await probe('subnets'), { ok: true })
  const other = await createNetwork({ name: 'mine', poolSize: 0, ...place })
  t.match(other.subnet, /^172\./, 'a VPN that has all of 10.0.0.0/8 stops nobody (N14)')
  await other.destroy()
  for (const route of ['172.16.0.0/12', '192.168.0.0/16', '198.18.0.0/15', '100.64.0.0/10']) {
    run('ip', 'route', 'add', route, 'dev', 'vpn0')
  }
  t.match(await probe('subnets'), {
    ok: false,
    detail: /none of the \d+ usual subnets/,
    remedy: /moorage daemon --subnet/,
  })
  run('ip', 'link', 'del', 'vpn0')
})

t.test('what another instance left, each with the command that removes it', async (t) => {
  run('ip', 'link', 'add', 'moor0123abu0', 'type', 'bridge')
  const found = await probe('other instances')
  t.equal(found.ok, false)
  t.match(found.detail, 'link moor0123abu0')
  for (const line of found.remedy.split('; ')) run('sh', '-c', line)
  t.match(
    await probe('other instances'),
    { ok: true, detail: '0 on this host' },
    'run as they are they cure it',
  )
  nft('add table inet moorage_0123ac')
  t.match(await probe('other instances'), { ok: true, detail: /without a network 0123ac .*nft delete table/ })
})

t.test('an uplink whose table comes back is a living network’s: no advice to remove it (B2)', async (t) => {
  const network = await createNetwork({ name: 'alive', poolSize: 0, ...ownPlace(t) })
  t.teardown(() => network.destroy())
  run('nft', 'flush ruleset')
  t.match(await probe('other instances'), { ok: true })
})

t.test('a link of a user’s own is none of ours, whatever it is called', async (t) => {
  for (const name of ['moorings0', 'moor0123abu0.10', 'moorage'])
    run('ip', 'link', 'add', name, 'type', 'bridge')
  t.match(await probe('other instances'), { ok: true, remedy: '' })
})

t.test(
  'what another user than root may not look at is told as that, and never guessed (B2, B7)',
  async (t) => {
    chmodSync(place.runDirectory, 0o755)
    const network = await createNetwork({ name: 'lives', poolSize: 0, ...place })
    t.teardown(() => network.destroy())
    run('iptables', '-P', 'FORWARD', 'DROP')
    process.seteuid?.(65_534)
    let found: Probe[]
    try {
      found = await checkHost(place.runDirectory)
    } finally {
      process.seteuid?.(0)
      run('iptables', '-P', 'FORWARD', 'ACCEPT')
    }
    const { skipped, seen } = Object.groupBy(found, (one) => (one.skipped ? 'skipped' : 'seen'))
    t.same(
      skipped?.map(({ name }) => name),
      ['network namespaces', 'bridge', 'veth', 'nftables', 'way out', 'other instances'],
    )
    for (const { name, ok, detail, remedy } of skipped ?? []) {
      t.notOk(ok, name)
      t.match(detail, /^not looked at: only root can /, name)
      t.notMatch(remedy, /ip link|nft |iptables|report/, name)
    }
    t.match(skipped?.at(-1)?.detail, 'only root can list tables')
    t.same(
      seen?.filter(({ ok }) => !ok).map(({ name }) => name),
      ['privileges'],
      'and everything else is looked at',
    )
    t.match(found[0], { name: 'privileges', detail: /^you are not root/, remedy: /sudo/ })
  },
)

t.test('a run directory that a user may not enter is not taken for one without networks (B7)', async (t) => {
  const closed = ownPlace(t).runDirectory
  chmodSync(closed, 0o700)
  process.seteuid?.(65_534)
  try {
    const found = await checkHost(closed)
    for (const name of ['subnets', 'names on the host', 'leftovers']) {
      const one = found.find((other) => other.name === name)
      t.match(one, { ok: false, skipped: true, detail: /^not looked at: .*EACCES/ }, name)
    }
  } finally {
    process.seteuid?.(0)
  }
})
