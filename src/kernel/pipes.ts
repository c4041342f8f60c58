import { fcntl, ioctlInt, pipe2 } from './libc.ts'

/**
 * Makes a real pipe, close-on-exec at both ends. Node's own `pipe` is a socket, which nobody can open as /dev/stdout.
 */
export function makePipe(): { read: number; write: number } {
  const [read, write] = pipe2()
  return { read, write }
}

const F_SETPIPE_SZ = 1031

/**
 * Sets how many bytes a pipe holds. Returns false when the kernel refuses, because the user's pipes take too much
 * already (/proc/sys/fs/pipe-user-pages-soft).
 */
export function setPipeSize(fd: number, bytes: number): boolean {
  return fcntl(fd, F_SETPIPE_SZ, bytes) >= 0
}

const FIONREAD = 0x541b

/** Returns how many bytes of a pipe nobody has read yet. */
export function bytesIn(fd: number): number {
  return ioctlInt(fd, FIONREAD, 'look how much a pipe holds')
}
