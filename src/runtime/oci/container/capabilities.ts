import type { ContainerResources } from '../../runtime.ts'

/** Docker's default capabilities without NET_RAW: whoever can send raw packets can claim another's address. */
export const defaultCapabilities: readonly string[] = [
  'CAP_AUDIT_WRITE',
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_MKNOD',
  'CAP_NET_BIND_SERVICE',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
]

/** Returns a container's capabilities: the default ones, without those it drops, with those it adds. */
export function capabilitiesOf({ capabilities = {} }: ContainerResources): readonly string[] {
  const { add = [], drop = [] } = capabilities
  if (add.length === 0 && drop.length === 0) return defaultCapabilities
  const kept = drop.includes('ALL')
    ? []
    : defaultCapabilities.filter((name) => !drop.includes(name.slice('CAP_'.length)))
  return [...new Set([...kept, ...add.map((name) => `CAP_${name}`)])].sort()
}
