import { getsockopt } from './libc.ts'

const SOL_SOCKET = 1
const SO_PEERCRED = 17

/**
 * Returns who connected to a unix socket (SO_PEERCRED), with the ids as they were then; `gid` is the primary group
 * only.
 */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } {
  const credentials = new Int32Array(3)
  getsockopt(fd, SOL_SOCKET, SO_PEERCRED, new Uint8Array(credentials.buffer), 'ask who is on the socket')
  const [pid, uid, gid] = credentials
  return { pid: pid as number, uid: uid as number, gid: gid as number }
}
