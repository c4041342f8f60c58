/** The names and bounds of resources that a container may ask for, as client and daemon check them. */

/** The smallest memory limit in bytes: below it no process starts. */
export const smallestMemory = 4 * 1024 * 1024

/** From capabilities(7), without CAP_. */
const capabilities = new Set(
  (
    'AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH ' +
    'FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN ' +
    'NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT ' +
    'SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM'
  ).split(' '),
)

/** From getrlimit(2), in lower case and without RLIMIT_. */
const ulimits = new Set(
  'as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
    ' ',
  ),
)

export function isCapability(name: string): boolean {
  return capabilities.has(name)
}

export function isUlimit(name: string): boolean {
  return ulimits.has(name)
}

const units: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 }

/** Returns a size in bytes: `512m`, `1.5g`, `2GiB` or a number; undefined when it is not a size. */
export function bytesOf(size: number | string): number | undefined {
  if (typeof size === 'number') return Number.isSafeInteger(size) && size >= 0 ? size : undefined
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?$/i.exec(size.trim())
  if (!match) return undefined
  const bytes = Math.floor(Number(match[1]) * (units[(match[2] || 'b').toLowerCase()] ?? 1))
  return Number.isSafeInteger(bytes) ? bytes : undefined
}
