import { getxattr } from './libc.ts'

/** Bytes of an extended attribute that are read: an access control list of 500 entries has less. */
const longestValue = 4_096

/**
 * Returns an extended attribute of the file that a descriptor names, of one by O_PATH too; undefined where it has none, or
 * its filesystem has no such attributes.
 */
export function extendedAttribute(fd: number, name: string): Buffer | undefined {
  const value = new Uint8Array(longestValue)
  // fgetxattr(2) refuses a descriptor by O_PATH.
  const length = getxattr(`/proc/self/fd/${fd}`, name, value)
  return length < 0 ? undefined : Buffer.from(value.subarray(0, length))
}
