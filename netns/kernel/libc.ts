/**
 * libc, as far as Node does not have it. The only FFI of this folder.
 *
 * A buffer whose *address* is stored inside another one (iovec, msghdr) is invisible to the garbage collector:
 * keep a reference to it until the call has returned. Those passed as arguments are safe.
 */
import './supported-host.ts'

import { endianness } from 'node:os'
import koffi from 'koffi'
import { kernelError, NetnsError } from './errors.ts'
import { unsupportedHost } from './supported-host.ts'

/** Netlink's messages and the structures of this folder are in the host's byte order, which is taken to be this one. */
if (endianness() !== 'LE')
  throw new NetnsError('KERNEL', 'this machine is big-endian, which is not supported')

const libc = loadLibc()

function loadLibc(): ReturnType<typeof koffi.load> {
  try {
    return koffi.load('libc.so.6')
  } catch (cause) {
    throw unsupportedHost('Linux without it: libc.so.6 cannot be loaded', cause)
  }
}

type Bytes = Uint8Array | null

interface Calls {
  unshare(flags: number): number
  setns(fd: number, type: number): number
  socket(domain: number, type: number, protocol: number): number
  bind(fd: number, address: Uint8Array, length: number): number
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number
  sendto(fd: number, data: Uint8Array, length: number, flags: number, to: Bytes, toLength: number): number
  recv(fd: number, data: Uint8Array, length: number, flags: number): number
  recvmmsg(fd: number, messages: Uint8Array, count: number, flags: number, timeout: null): number
  sendmmsg(fd: number, messages: Uint8Array, count: number, flags: number): number
  getsockname(fd: number, address: Uint8Array, length: Uint8Array): number
  inet_pton(family: number, text: string, address: Uint8Array): number
  if_nametoindex(name: string): number
  mount(source: string, target: string, type: null, flags: number, data: null): number
  umount2(target: string, flags: number): number
  flock(fd: number, operation: number): number
}

const call: Calls = {
  unshare: libc.func('int unshare(int)'),
  setns: libc.func('int setns(int, int)'),
  socket: libc.func('int socket(int, int, int)'),
  bind: libc.func('int bind(int, uint8_t *, uint)'),
  setsockopt: libc.func('int setsockopt(int, int, int, uint8_t *, uint)'),
  sendto: libc.func('long sendto(int, uint8_t *, size_t, int, uint8_t *, uint)'),
  recv: libc.func('long recv(int, _Out_ uint8_t *, size_t, int)'),
  recvmmsg: libc.func('int recvmmsg(int, uint8_t *, uint, int, void *)'),
  sendmmsg: libc.func('int sendmmsg(int, uint8_t *, uint, int)'),
  getsockname: libc.func('int getsockname(int, _Out_ uint8_t *, _Inout_ uint8_t *)'),
  inet_pton: libc.func('int inet_pton(int, str, _Out_ uint8_t *)'),
  if_nametoindex: libc.func('uint if_nametoindex(str)'),
  mount: libc.func('int mount(str, str, str, ulong, str)'),
  umount2: libc.func('int umount2(str, int)'),
  flock: libc.func('int flock(int, int)'),
}

// The calls that libc does not wrap, or only lately. These numbers are the same on x86-64 and arm64 (all above 424
// are).
const numbered = {
  fsopen: libc.func('long syscall(long, str, uint)'),
  fsconfig: libc.func('long syscall(long, int, uint, str, str, int)'),
  fsmount: libc.func('long syscall(long, int, uint, uint)'),
}

const EINTR = 4
const EAGAIN = 11

/** Returns the result, or throws the error with what was being done; repeats a call that a signal interrupted. */
function checked(doing: string, run: () => number): number {
  for (;;) {
    const result = run()
    if (result >= 0) return result
    const errno = koffi.errno()
    if (errno !== EINTR) throw kernelError(errno, doing)
  }
}

export const CLONE_NEWNET = 0x40000000

export const unshare = (flags: number, doing: string) => checked(doing, () => call.unshare(flags))
export const setns = (fd: number, doing: string) => checked(doing, () => call.setns(fd, CLONE_NEWNET))

export const AF_INET = 2
export const AF_INET6 = 10
export const AF_NETLINK = 16
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
const SOCK_CLOEXEC = 0o2000000
export const SOCK_NONBLOCK = 0o4000

export const socket = (domain: number, type: number, protocol: number, doing: string) =>
  checked(doing, () => call.socket(domain, type | SOCK_CLOEXEC, protocol))

export const bind = (fd: number, address: Uint8Array, doing: string) =>
  checked(doing, () => call.bind(fd, address, address.length))

export const setsockopt = (fd: number, level: number, name: number, value: Uint8Array, doing: string) =>
  checked(doing, () => call.setsockopt(fd, level, name, value, value.length))

export const send = (fd: number, data: Uint8Array, doing: string) =>
  checked(doing, () => call.sendto(fd, data, data.length, 0, null, 0))

const MSG_DONTWAIT = 0x40
const MSG_TRUNC = 0x20

/**
 * Returns the datagram's length (more than `data` has when it was cut), or undefined when there is none. Never waits.
 */
export function receive(fd: number, data: Uint8Array, doing: string): number | undefined {
  for (;;) {
    const length = call.recv(fd, data, data.length, MSG_DONTWAIT | MSG_TRUNC)
    if (length >= 0) return length
    const errno = koffi.errno()
    if (errno === EAGAIN) return undefined
    if (errno !== EINTR) throw kernelError(errno, doing)
  }
}

/**
 * Receives as many datagrams as there are, at most `count`, into struct mmsghdr's. Never waits.
 * @returns how many; or, below zero, the errno: no error is thrown, since this is called for each batch
 */
export function receiveMany(fd: number, messages: Uint8Array, count: number): number {
  // MSG_TRUNC: a datagram that was cut says how long it was.
  const received = call.recvmmsg(fd, messages, count, MSG_DONTWAIT | MSG_TRUNC, null)
  return received >= 0 ? received : -koffi.errno()
}

/**
 * Sends datagrams from struct mmsghdr's, in order, until one cannot be sent. Never waits. Returns the same as above.
 */
export function sendMany(fd: number, messages: Uint8Array, count: number): number {
  const sent = call.sendmmsg(fd, messages, count, MSG_DONTWAIT)
  return sent >= 0 ? sent : -koffi.errno()
}

/** Returns the address that a socket is bound to, as struct sockaddr_in or sockaddr_in6. */
export function socketName(fd: number): Uint8Array {
  const name = new Uint8Array(sockaddrSize)
  const length = new Uint8Array(Uint32Array.of(name.length).buffer)
  checked('read the address of a socket', () => call.getsockname(fd, name, length))
  return name
}

/** The size of struct sockaddr_in6, the longer one. */
export const sockaddrSize = 28

/** Returns the octets of an IPv4 or IPv6 address; undefined when it is none. */
export function addressOctets(text: string): Uint8Array | undefined {
  const octets = new Uint8Array(16)
  if (call.inet_pton(AF_INET, text, octets) === 1) return octets.subarray(0, 4)
  return call.inet_pton(AF_INET6, text, octets) === 1 ? octets : undefined
}

/**
 * Returns the address of a buffer. It is fixed while the buffer is referred to, since ArrayBuffers are outside the
 * heap.
 */
export const addressOf = (buffer: ArrayBuffer): bigint => koffi.address(new Uint8Array(buffer))

/** A descriptor that the event loop watches. */
export interface Watch {
  /** Sets the events to wait for from now on. */
  wait(events: { readable?: boolean; writable?: boolean }): void
  /** Must be called before the descriptor is closed. */
  close(): void
}

/**
 * Calls back each time that a descriptor is found ready, until closed.
 *
 * koffi calls back outside of every callback scope of Node's: an exception would be lost, and neither promises nor
 * `process.nextTick` would go on until something else happens. So the work is done in an immediate: in the same turn of
 * the event loop, right after all ready descriptors were found.
 */
export function watch(fd: number, ready: () => void): Watch {
  let due = false
  let open = true
  const work = () => {
    due = false
    if (open) ready()
  }
  const becomeDue = () => {
    if (due) return
    due = true
    setImmediate(work)
  }
  const handle = koffi.node.poll(fd, { readable: true }, becomeDue)
  return {
    wait: (events) => handle.start(events, becomeDue),
    close() {
      open = false
      handle.close()
    },
  }
}

/** Returns the index of a link of the calling thread's namespace, 0 when there is none of this name. */
export const linkIndex = (name: string) => call.if_nametoindex(name)

export const mount = (source: string, target: string, flags: number) =>
  checked(`mount ${source} on ${target}`, () => call.mount(source, target, null, flags, null))

export const umount2 = (target: string, flags: number) =>
  checked(`unmount ${target}`, () => call.umount2(target, flags))

const LOCK_EX = 2
const LOCK_NB = 4

/** Takes an open file's lock for this descriptor, without waiting; false when another holder has it (flock(2)). */
export function lockFile(fd: number): boolean {
  for (;;) {
    if (call.flock(fd, LOCK_EX | LOCK_NB) === 0) return true
    const errno = koffi.errno()
    if (errno === EAGAIN) return false
    if (errno !== EINTR) throw kernelError(errno, 'lock a file')
  }
}

export const fsopen = (type: string, flags: number, doing: string) =>
  checked(doing, () => numbered.fsopen(430, type, flags))

export const fsconfig = (fd: number, command: number, doing: string) =>
  checked(doing, () => numbered.fsconfig(431, fd, command, null, null, 0))

export const fsmount = (fd: number, flags: number, doing: string) =>
  checked(doing, () => numbered.fsmount(432, fd, flags, 0))
