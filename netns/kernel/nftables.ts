/**
 * The netlink messages of nftables that are needed often: elements of sets are added and removed in one transaction,
 * and notices tell who changes what. Whole rulesets are left to `nft`. (linux/netfilter/nf_tables.h)
 */
import { closeSync } from 'node:fs'
import { NetnsError } from './errors.ts'
import { receive, send, setsockopt } from './libc.ts'
import type { Notice } from './monitor.ts'
import {
  type Attribute,
  decodeAttributes,
  encode,
  errorOf,
  NETLINK_NETFILTER,
  NLM_F_ACK,
  NLMSG_ERROR,
  openNetlink,
  type Request,
  readText,
  split,
  text,
} from './netlink.ts'

const NFNL_MSG_BATCH_BEGIN = 16
const NFNL_MSG_BATCH_END = 17
const NFNL_SUBSYS_NFTABLES = 10
const NFT_MSG_NEWSETELEM = 12
const NFT_MSG_DELSETELEM = 14
const NFT_MSG_NEWGEN = 15
const NLM_F_CREATE = 0x400

const NFTA_SET_ELEM_LIST_TABLE = 1
const NFTA_SET_ELEM_LIST_SET = 2
const NFTA_SET_ELEM_LIST_ELEMENTS = 3
const NFTA_LIST_ELEM = 1
const NFTA_SET_ELEM_KEY = 1
const NFTA_SET_ELEM_DATA = 2
const NFTA_DATA_VALUE = 1
const NFTA_GEN_PROC_PID = 2
const NFTA_GEN_PROC_NAME = 3

/** The group that a Monitor joins to hear of changes. */
export const NFNLGRP_NFTABLES = 7

const families = { inet: 1, bridge: 7 } as const

export interface SetElements {
  family: keyof typeof families
  table: string
  set: string
  /** Concatenated keys, as `concatenation` makes them. */
  keys: readonly Uint8Array[]
  /** The value of each key of a map. Not needed for removal. */
  values?: readonly Uint8Array[] | undefined
}

/**
 * Makes the key of a set whose type is a concatenation (`ipv4_addr . ether_addr`): each part is padded to four bytes.
 */
export function concatenation(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts.flatMap((part) => [part, Buffer.alloc(-part.length & 3)]))
}

const IFNAMSIZ = 16

/** Makes a link's name a part of a set's key. */
export function linkNameKey(name: string): Buffer {
  const key = Buffer.alloc(IFNAMSIZ)
  key.write(name)
  return key
}

/** struct nfgenmsg. */
function header(family: number, subsystem = 0): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt8(family, 0)
  bytes.writeUInt16BE(subsystem, 2)
  return bytes
}

const nftMessage = (type: number) => (NFNL_SUBSYS_NFTABLES << 8) | type
const batch = (type: number): Request => ({
  type,
  header: header(0, NFNL_SUBSYS_NFTABLES),
  attributes: [],
  doing: 'change nftables',
})

function elementsRequest(type: number, { family, table, set, keys, values }: SetElements): Request {
  const element = (key: Uint8Array, value: Uint8Array | undefined): Attribute[] => [
    [NFTA_SET_ELEM_KEY, [[NFTA_DATA_VALUE, key]]],
    ...(value === undefined ? [] : ([[NFTA_SET_ELEM_DATA, [[NFTA_DATA_VALUE, value]]]] as const)),
  ]
  return {
    type: nftMessage(type),
    flags: type === NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0,
    header: header(families[family]),
    attributes: [
      [NFTA_SET_ELEM_LIST_TABLE, text(table)],
      [NFTA_SET_ELEM_LIST_SET, text(set)],
      [
        NFTA_SET_ELEM_LIST_ELEMENTS,
        keys.map((key, index) => [NFTA_LIST_ELEM, element(key, values?.[index])] as const),
      ],
    ],
    doing: `${type === NFT_MSG_NEWSETELEM ? 'add to' : 'remove from'} the set ${set} of ${family} ${table}`,
  }
}

const answer = Buffer.alloc(64 * 1024)

const SOL_SOCKET = 1
const SO_SNDBUFFORCE = 32
/** In bytes. A transaction must fit into it; one for a hundred thousand elements does. */
const bufferSize = 16 * 1024 * 1024

/** A connection to nftables of the namespace that the calling thread was in when it was made. */
export class NftSocket implements Disposable {
  #fd = openNetlink(NETLINK_NETFILTER)
  #sequence = 0

  constructor() {
    const size = Buffer.alloc(4)
    size.writeInt32LE(bufferSize)
    setsockopt(this.#fd, SOL_SOCKET, SO_SNDBUFFORCE, size, 'enlarge a netlink socket')
  }

  /**
   * Adds and removes elements, all of them or none; in force when this returns. Adding what is there is no error,
   * removing what is not there is (`ENOENT`).
   *
   * @throws NetnsError `KERNEL`
   */
  change({ add = [], remove = [] }: { add?: readonly SetElements[]; remove?: readonly SetElements[] }): void {
    const requests = [
      ...remove.map((elements) => elementsRequest(NFT_MSG_DELSETELEM, elements)),
      ...add.map((elements) => elementsRequest(NFT_MSG_NEWSETELEM, elements)),
    ]
    if (requests.length === 0) return
    const first = this.#sequence + 1
    const messages = [batch(NFNL_MSG_BATCH_BEGIN), ...requests, batch(NFNL_MSG_BATCH_END)]
    // Refusals come unasked; only the last change asks for an acknowledgement, which tells of success.
    const encoded = messages.map((message, index) =>
      encode(message, ++this.#sequence, index === messages.length - 2 ? NLM_F_ACK : 0),
    )
    send(this.#fd, Buffer.concat(encoded), 'change nftables')
    this.#settle((sequence) => messages[sequence - first]?.doing ?? 'change nftables')
  }

  /** The kernel has answered before `send` returns. */
  #settle(doingOf: (sequence: number) => string): void {
    let refused: NetnsError | undefined
    let answered = false
    for (;;) {
      const length = receive(this.#fd, answer, 'read from nftables')
      if (length === undefined) break
      for (const { type, flags, sequence, payload } of split(answer.subarray(0, length))) {
        if (type !== NLMSG_ERROR) continue
        answered = true
        refused ??= errorOf(payload, flags, doingOf(sequence))
      }
    }
    if (!answered) throw new NetnsError('KERNEL', 'nftables did not answer')
    if (refused !== undefined) throw refused
  }

  close(): void {
    if (this.#fd < 0) return
    closeSync(this.#fd)
    this.#fd = -1
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** The changes of one transaction. */
interface NftTransaction {
  /** The names of tables in which something changed. */
  tables: Set<string>
  /** Its maker: `nft (process 4711)`. */
  by: string
}

/** Joins notifications to transactions: each ends with the new generation's number and its maker. */
export class NftTransactions {
  #tables = new Set<string>()

  /** Returns the complete transactions; the beginning of another is kept for the next time. */
  read(notices: readonly Notice[]): NftTransaction[] {
    const complete: NftTransaction[] = []
    for (const { type, payload } of notices) {
      if (type >> 8 !== NFNL_SUBSYS_NFTABLES) continue
      const attributes = decodeAttributes(payload.subarray(4))
      if (type === nftMessage(NFT_MSG_NEWGEN)) {
        complete.push({ tables: this.#tables, by: makerOf(attributes) })
        this.#tables = new Set()
      } else {
        // The first attribute of every other message is the name of the table.
        const table = attributes.get(1)
        if (table !== undefined) this.#tables.add(readText(table))
      }
    }
    return complete
  }
}

function makerOf(attributes: ReadonlyMap<number, Uint8Array>): string {
  const [name, pid] = [attributes.get(NFTA_GEN_PROC_NAME), attributes.get(NFTA_GEN_PROC_PID)]
  const number = pid === undefined ? 0 : Buffer.from(pid).readUInt32BE(0)
  return `${name === undefined ? 'somebody' : readText(name)} (process ${number})`
}
