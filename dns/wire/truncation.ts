import { DnsError } from '../errors.ts'
import { flag, headerSize, type Query } from './decode-query.ts'
import { longestName } from './name.ts'

/**
 * The sizes of replies, and the three ways to keep to them. Zones refuse sets of records that fit no reply. A reply that
 * is larger than its client takes is emptied and has TC set, so that the client asks again over TCP: so are the names of
 * an address, of which there may be any number. Addresses in the additional section that do not fit are left out without TC.
 */

/** The largest message there is: over TCP, its length has two octets. */
export const longestMessage = 65535

/** Octets of the OPT record of a reply, and of the extended error (RFC 8914) that it may carry. */
export const optSize = 11
export const extendedErrorSize = 6

/** The most records of one type under one name. More make replies that fit no sensible packet. */
export const mostRecords = 100

/** The most octets of the records of one type under one name. A larger set would be truncated over TCP, too. */
const mostOctets = longestMessage - headerSize - longestName - 4 - optSize - extendedErrorSize

/**
 * Refuses a set of records that fits no reply.
 * @param what names the records in the error, such as `addresses`
 * @param octets the size of its records on the wire
 * @throws DnsError `INVALID_RECORD`
 */
export function checkSetSize(name: string, what: string, count: number, octets: number): void {
  if (count > mostRecords) {
    throw new DnsError('INVALID_RECORD', `${name} would have ${count} ${what}, ${mostRecords} is the most`)
  }
  if (octets > mostOctets) {
    throw new DnsError(
      'INVALID_RECORD',
      `${name} would have ${what} of ${octets} octets, ${mostOctets} is the most that an answer can hold`,
    )
  }
}

/** The octets that a client takes at once: over UDP as many as it says, but no more than travel in one piece. */
export function replyLimit({ udpSize }: Query, transport: 'udp' | 'tcp', mostOverUdp: number): number {
  return transport === 'tcp' ? longestMessage : Math.min(udpSize, mostOverUdp)
}

/** The part of a reply that concerns its size. */
export interface ReplySize {
  /** Octets written so far; in the end, those of the reply. */
  length: number
  /** The most octets of question and records. */
  limit: number
  /** Records in each section. */
  answers: number
  authorities: number
  additionals: number
  /** True if something did not fit. */
  overflow: boolean
}

/** Tells whether so many octets fit. */
export function hasRoom(reply: ReplySize, octets: number): boolean {
  return reply.length + octets <= reply.limit
}

/** The same for octets that the reply needs: if they do not fit, it is going to be truncated. */
export function fits(reply: ReplySize, octets: number): boolean {
  if (hasRoom(reply, octets)) return true
  reply.overflow = true
  return false
}

/**
 * Empties a reply if something did not fit: no half of a set is sent (RFC 2181, 9).
 * @returns TC in that case, else no flag
 */
export function truncate(reply: ReplySize, { questionEnd }: Query): number {
  if (!reply.overflow) return 0
  reply.length = questionEnd
  reply.answers = reply.authorities = reply.additionals = 0
  return flag.TC
}
