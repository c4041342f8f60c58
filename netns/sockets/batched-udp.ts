/**
 * A UDP socket that receives and sends in batches (recvmmsg, sendmmsg): for servers that answer small questions by the
 * hundred thousand. Node's own makes one system call, and several objects, for each datagram.
 */
import { closeSync } from 'node:fs'
import {
  AF_INET,
  AF_INET6,
  DatagramBatch,
  inNamespace,
  kernelError,
  NetnsError,
  SOCK_DGRAM,
  setsockopt,
  sockaddrSize,
  type Watch,
  watch,
} from '../kernel/index.ts'
import { type BoundSocket, bindSocket, enable, type NewSocket, SOL_SOCKET } from './bind-socket.ts'

/** The source of a datagram. Its fields are valid only during the call that it is handed to. */
export interface PacketSource {
  /** 4 octets of an IPv4 address, or 16 of an IPv6 one. */
  readonly octets: Uint8Array
  readonly port: number
  /** Returns a function that sends an answer later on, if it is not ready at once. A closed socket sends nothing. */
  later(): (answer: Uint8Array, size: number) => void
}

/** Handles the datagrams that arrive. */
export interface PacketHandler {
  /**
   * Answers the datagram in the first `size` octets of `packet`: writes over it, and returns the length of the answer,
   * or 0 for none. `packet` is used again after the call. A `size` above the length of `packet` tells that the datagram
   * was cut.
   */
  packet(packet: Buffer, size: number, source: PacketSource): number
  /** Called when something failed, for one datagram or at all; the socket goes on. */
  failed(error: Error): void
}

/** Counts the work of a socket so far. */
export interface BatchCounters {
  readonly received: number
  readonly sent: number
  /** Receiving calls that brought anything; `received / batches` is the mean size of a batch. */
  readonly batches: number
  /** How often answers had to wait for the kernel's queue, and how many it refused. */
  readonly waits: number
  readonly refused: number
}

/** A UDP socket that works in batches; it fits `listen` of `moorage/dns`. */
export interface BatchedUdp extends Disposable {
  readonly address: string
  readonly port: number
  readonly counters: BatchCounters
  /** Begins to receive; may be called once. */
  receive(handler: PacketHandler): void
  /** May be called at any time, from a handler too, and again. Answers that were not sent yet are dropped. */
  close(): void
}

export interface BatchedUdpOptions {
  /** A network namespace's descriptor. @defaultValue the process's own */
  namespace?: number
  /** Datagrams that are received at once. @defaultValue 64 */
  batch?: number
  /** Octets of the largest datagram, be it question or answer; larger ones are cut. @defaultValue 4224 */
  room?: number
  /**
   * Octets that may pile up in the kernel while the process does something else. @defaultValue 4 MiB, 5,000 questions
   */
  receiveBuffer?: number
}

/** The number of batches after which the event loop's other work has its turn. */
const batchesPerTurn = 16

const SO_RCVBUF = 8
const SO_RCVBUFFORCE = 33
const IPPROTO_IP = 0
const IP_PKTINFO = 8
const IPPROTO_IPV6 = 41
const IPV6_RECVPKTINFO = 49

const EINTR = 4
const EBADF = 9
const EAGAIN = 11

/** Keeps every open socket from being collected: only the event loop refers to what wakes it. */
const open = new Set<BatchedUdp>()

/**
 * Makes a UDP socket on an address, bound when this returns. On a wildcard (`0.0.0.0`, `::`) answers come from the
 * address that was asked.
 *
 * @param port - 0 for any
 * @throws NetnsError `KERNEL`, for example with errno `EADDRINUSE`
 */
export function bindBatchedUdp(address: string, port: number, options: BatchedUdpOptions = {}): BatchedUdp {
  const make = () => bindUdpSocket(address, port, options.receiveBuffer ?? 4 * 1024 * 1024)
  const bound = options.namespace === undefined ? make() : inNamespace(options.namespace, make)
  try {
    return batchedUdp(bound, address, options)
  } catch (error) {
    closeSync(bound.fd)
    throw error
  }
}

const isWildcard = ({ octets }: NewSocket) => octets.every((octet) => octet === 0)

function bindUdpSocket(address: string, port: number, receiveBuffer: number): BoundSocket {
  return bindSocket(SOCK_DGRAM, address, port, (socket) => {
    const { fd, family } = socket
    if (isWildcard(socket) && family === AF_INET) enable(fd, IPPROTO_IP, IP_PKTINFO)
    if (isWildcard(socket) && family === AF_INET6) enable(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO)
    setReceiveBuffer(fd, receiveBuffer)
  })
}

/**
 * Sets the receive buffer: for root past the machine's limit (net.core.rmem_max, often 208 KiB), for others up to it.
 */
function setReceiveBuffer(fd: number, octets: number): void {
  const value = new Uint8Array(Uint32Array.of(octets).buffer)
  try {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, value, 'set up a socket')
  } catch {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, value, 'set up a socket')
  }
}

function batchedUdp(
  bound: BoundSocket,
  address: string,
  { batch = 64, room = 4224 }: BatchedUdpOptions,
): BatchedUdp {
  const { fd, family, port } = bound
  const wildcard = isWildcard(bound)
  const kind = {
    nameLength: family === AF_INET ? 16 : sockaddrSize,
    destinations: wildcard,
  }
  const messages = new DatagramBatch({ count: batch, room, ...kind })
  const counters = { received: 0, sent: 0, batches: 0, waits: 0, refused: 0 }
  let handler: PacketHandler | undefined
  let watching: Watch | undefined
  let blocked = false
  let closed = false

  const failed = (errno: number, doing: string) => {
    if (!closed) handler?.failed(kernelError(errno, `${doing} on ${address} port ${port}`))
  }

  /**
   * Lets an answer leave over another link than its question came in by. IPv6 keeps the link, for link-local addresses.
   */
  const forgetLink = (control: Buffer) => (family === AF_INET ? control.fill(0, 16, 20) : control)

  /** Sends the staged answers. Returns true when all are done with: sent, or refused. */
  const flush = (answers: DatagramBatch): boolean => {
    while (answers.unsent > 0 && !closed) {
      const sent = answers.send(fd)
      if (sent > 0) counters.sent += sent
      else if (sent === -EAGAIN) return false
      else if (sent !== -EINTR) {
        // Only the first answer failed: its client has gone, or a firewall does not let it pass.
        answers.skip()
        counters.refused++
        failed(-sent, 'send a datagram')
      }
    }
    return true
  }

  const sources = Array.from({ length: batch }, (_, place): PacketSource => {
    const name = messages.name(place)
    return {
      octets: family === AF_INET ? name.subarray(4, 8) : name.subarray(8, 24),
      get port() {
        return ((name[2] as number) << 8) | (name[3] as number)
      },
      later: () => later(Buffer.from(name), forgetLink(Buffer.from(messages.control(place)))),
    }
  })

  /** Sends a single answer. There are few of these: somebody else had to be asked first. */
  const later = (name: Buffer, control: Buffer) => (answer: Uint8Array, size: number) => {
    if (closed) return
    const single = new DatagramBatch({ count: 1, room: size, ...kind })
    single.contents(0).set(answer.subarray(0, size))
    single.name(0).set(name)
    single.control(0).set(control)
    single.stage(0, size)
    if (flush(single)) return
    // The kernel's queue is full; the client will ask again.
    counters.refused++
    failed(EAGAIN, 'send a datagram')
  }

  const answer = (received: number, handle: PacketHandler) => {
    counters.received += received
    counters.batches++
    for (let index = 0; index < received && !closed; index++) {
      const place = messages.placeOf(index)
      let size = 0
      try {
        size = handle.packet(messages.contents(place), messages.sizeOf(index), sources[place] as PacketSource)
      } catch (error) {
        handle.failed(error instanceof Error ? error : new Error(String(error)))
      }
      if (size <= 0) continue
      if (wildcard) forgetLink(messages.control(place))
      messages.stage(index, Math.min(size, room))
    }
  }

  const turn = () => {
    if (handler === undefined) return
    if (blocked) {
      if (!flush(messages)) return
      blocked = false
      if (!closed) watching?.wait({ readable: true })
    }
    for (let batches = 0; batches < batchesPerTurn && !closed; batches++) {
      const received = messages.receive(fd)
      if (received <= 0) {
        if (received === -EINTR) continue
        if (received !== -EAGAIN && received !== 0) failed(-received, 'receive datagrams')
        if (received === -EBADF) self.close()
        return
      }
      answer(received, handler)
      if (!flush(messages)) {
        blocked = true
        counters.waits++
        watching?.wait({ writable: true })
        return
      }
      // The batch is not full: there was no more a moment ago.
      if (received < batch) return
    }
  }

  const self: BatchedUdp = {
    address,
    port,
    counters,
    receive(how) {
      if (closed) throw new NetnsError('KERNEL', `${address} port ${port} is closed`, { errno: 'EBADF' })
      if (handler !== undefined) throw new TypeError('this socket has a handler already')
      handler = how
      watching = watch(fd, turn)
    },
    close() {
      if (closed) return
      closed = true
      open.delete(self)
      watching?.close()
      closeSync(fd)
    },
    [Symbol.dispose]: () => self.close(),
  }
  open.add(self)
  return self
}
