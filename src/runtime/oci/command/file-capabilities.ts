/** The capabilities by their numbers: include/uapi/linux/capability.h. */
const names = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE ' +
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
).split(' ')

const VFS_CAP_REVISION_1 = 0x01000000
const VFS_CAP_FLAGS_EFFECTIVE = 1

/**
 * Returns the permitted capabilities of a program that demands all of them (capabilities(7), "Safety checking for
 * capability-dumb binaries": without one of them execve(2) fails with EPERM), with CAP_. A program whose effective flag is
 * not set takes what it can get, and demands none.
 *
 * @param attribute - its `security.capability`: struct vfs_cap_data
 */
export function demandedCapabilities(attribute: Buffer): string[] {
  if (attribute.length < 12) return []
  const magic = attribute.readUInt32LE(0)
  if ((magic & VFS_CAP_FLAGS_EFFECTIVE) === 0) return []
  const low = BigInt(attribute.readUInt32LE(4))
  const isShort = (magic & 0xff000000) === VFS_CAP_REVISION_1 || attribute.length < 20
  const permitted = isShort ? low : low | (BigInt(attribute.readUInt32LE(12)) << 32n)
  const bits = Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => (permitted >> BigInt(bit)) & 1n)
  return bits.map((bit) => `CAP_${names[bit] ?? bit}`)
}
