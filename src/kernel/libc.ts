/**
 * The system calls that Node does not have and that are no network's: those of networks are in netns/kernel/libc.ts.
 */
import './supported-host.ts'

import koffi from 'koffi'
import { kernelError } from './errors.ts'
import { unsupportedHost } from './supported-host.ts'

const libc = loadLibc()

function loadLibc(): ReturnType<typeof koffi.load> {
  try {
    return koffi.load('libc.so.6')
  } catch (cause) {
    throw unsupportedHost('Linux without it: libc.so.6 cannot be loaded', cause)
  }
}

interface Calls {
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array): number
  mount(source: string, target: string, type: string | null, flags: number, data: string | null): number
  umount2(target: string, flags: number): number
  pipe2(fds: Uint8Array, flags: number): number
  fcntl(fd: number, command: number, argument: number): number
  ioctl(fd: number, request: number, value: Uint8Array): number
  getxattr(path: string, name: string, value: Uint8Array, size: number): number
  prctl(option: number, a: number, b: number, c: number, d: number): number
  waitid(type: number, id: number, info: Uint8Array, options: number): number
}

const call: Calls = {
  getsockopt: libc.func('int getsockopt(int, int, int, _Out_ uint8_t *, _Inout_ uint8_t *)'),
  mount: libc.func('int mount(str, str, str, ulong, str)'),
  umount2: libc.func('int umount2(str, int)'),
  pipe2: libc.func('int pipe2(_Out_ uint8_t *, int)'),
  fcntl: libc.func('int fcntl(int, int, long)'),
  ioctl: libc.func('int ioctl(int, ulong, _Out_ uint8_t *)'),
  getxattr: libc.func('long getxattr(str, str, _Out_ uint8_t *, size_t)'),
  prctl: libc.func('int prctl(int, ulong, ulong, ulong, ulong)'),
  waitid: libc.func('int waitid(int, uint, _Out_ uint8_t *, int)'),
}

// The calls that libc does not wrap, or only lately. These numbers are the same on x86-64 and arm64 (all above 424
// are).
const numbered = {
  openTree: libc.func('long syscall(long, int, str, uint)'),
  moveMount: libc.func('long syscall(long, int, str, int, str, uint)'),
  fsopen: libc.func('long syscall(long, str, uint)'),
  fsconfig: libc.func('long syscall(long, int, uint, str, str, int)'),
  fsmount: libc.func('long syscall(long, int, uint, uint)'),
  mountSetattr: libc.func('long syscall(long, int, str, uint, uint8_t *, size_t)'),
  openat2: libc.func('long syscall(long, int, str, uint8_t *, size_t)'),
}

const EINTR = 4

/** Returns the result, or throws the error with what was being done; repeats a call that a signal interrupted. */
function checked(doing: string, run: () => number): number {
  for (;;) {
    const result = run()
    if (result >= 0) return result
    const errno = koffi.errno()
    if (errno !== EINTR) throw kernelError(errno, doing)
  }
}

/** Fills `value`; the option must have exactly its length. */
export function getsockopt(fd: number, level: number, name: number, value: Uint8Array, doing: string): void {
  const length = new Uint8Array(Uint32Array.of(value.length).buffer)
  checked(doing, () => call.getsockopt(fd, level, name, value, length))
}

export const mount = (
  source: string,
  target: string,
  type: string | null,
  flags: number,
  data: string | null,
): number => checked(`mount ${source} on ${target}`, () => call.mount(source, target, type, flags, data))

export const umount2 = (target: string, flags: number): number =>
  checked(`unmount ${target}`, () => call.umount2(target, flags))

export const O_CLOEXEC = 0o2000000

export function pipe2(): [read: number, write: number] {
  const fds = new Int32Array(2)
  checked('make a pipe', () => call.pipe2(new Uint8Array(fds.buffer), O_CLOEXEC))
  return [fds[0] as number, fds[1] as number]
}

/** Returns a negative number when the kernel refuses. */
export const fcntl = (fd: number, command: number, argument: number): number =>
  call.fcntl(fd, command, argument)

/** Calls an ioctl(2) that fills in an `int`, and returns that. */
export function ioctlInt(fd: number, request: number, doing: string): number {
  const value = new Int32Array(1)
  checked(doing, () => call.ioctl(fd, request, new Uint8Array(value.buffer)))
  return value[0] as number
}

/** Returns the attribute's length, or a negative number when there is none, or when it is longer than `value`. */
export const getxattr = (path: string, name: string, value: Uint8Array): number =>
  call.getxattr(path, name, value, value.length)

export const prctl = (option: number, argument: number, doing: string): number =>
  checked(doing, () => call.prctl(option, argument, 0, 0, 0))

/** Fills `info`, a siginfo_t. Returns false when there is no child at all (ECHILD). */
export const waitid = (type: number, id: number, info: Uint8Array, options: number): boolean =>
  call.waitid(type, id, info, options) >= 0

export const openTree = (directory: number, path: string, flags: number): number =>
  checked(`clone the mount at ${path}`, () => numbered.openTree(428, directory, path, flags))

export const moveMount = (fd: number, target: string, flags: number): number =>
  checked(`attach a mount at ${target}`, () => numbered.moveMount(429, fd, '', -100, target, flags))

export const fsopen = (type: string, flags: number): number =>
  checked(`open the filesystem type ${type}`, () => numbered.fsopen(430, type, flags))

export const fsconfig = (
  fd: number,
  command: number,
  key: string | null,
  value: string | null,
  doing: string,
): number => checked(doing, () => numbered.fsconfig(431, fd, command, key, value, 0))

export const fsmount = (fd: number, flags: number, attributes: number, doing: string): number =>
  checked(doing, () => numbered.fsmount(432, fd, flags, attributes))

const AT_EMPTY_PATH = 0x1000

/** Adds attributes to a mount that is known by a descriptor (struct mount_attr). */
export function setMountAttributes(fd: number, attributes: number, doing: string): void {
  const attr = new Uint8Array(BigUint64Array.of(BigInt(attributes), 0n, 0n, 0n).buffer)
  checked(doing, () => numbered.mountSetattr(442, fd, '', AT_EMPTY_PATH, attr, attr.length))
}

/** @param how - struct open_how */
export const openat2 = (directory: number, path: string, how: Uint8Array, doing: string): number =>
  checked(doing, () => numbered.openat2(437, directory, path, how, how.length))
