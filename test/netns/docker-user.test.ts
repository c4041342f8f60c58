/** The way out on a host that Docker has shut, with either kind of iptables. */
import t from 'tap'
import { onOwnHost } from './own-host.ts'

t.setTimeout(120_000)

const form = process.env.MOORAGE_LONG === '1' ? [] : ['short']

t.test('iptables by nf_tables', (t) => onOwnHost(t, 'docker-user-program.ts', { args: ['iptables-nft'] }))
t.test('the older iptables', (t) =>
  onOwnHost(t, 'docker-user-program.ts', { args: ['iptables-legacy', ...form] }),
)
