import { DnsError } from '../errors.ts'
import { flag, headerSize, type Query } from './decode-query.ts'
import { longestName } from './name.ts'

/**
 * How large a reply may be, and what becomes of one that would be larger. Zones refuse sets of records that fit no
 * reply; sets that the server derives by itself are cut; a reply that does not fit what its client takes is emptied and
 * says so by TC, so that the client asks again over TCP; addresses that only help are left out without a word.
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
 * @param set what it is, for the error: `addresses of db.dev.internal`
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

/** How many records are kept of a set that the server derives: an address may have any number of names. */
export function cutToMost(count: number): number {
  return Math.min(count, mostRecords)
}

/** The octets that a client takes at once: over UDP as many as it says, but no more than travel in one piece. */
export function replyLimit({ udpSize }: Query, transport: 'udp' | 'tcp', mostOverUdp: number): number {
  return transport === 'tcp' ? longestMessage : Math.min(udpSize, mostOverUdp)
}

/** The part of a reply that says how full it is. */
interface Fill {
  length: number
  limit: number
  answers: number
  authorities: number
  additionals: number
  overflow: boolean
}

/** Tells whether so many octets fit; if not, the reply is going to be truncated. */
export function fits(reply: Fill, octets: number): boolean {
  if (reply.length + octets <= reply.limit) return true
  reply.overflow = true
  return false
}

/**
 * Empties a reply in which something did not fit: no half of a set is sent (RFC 2181, 9).
 * @returns the flags that say so
 */
export function truncate(reply: Fill, { questionEnd }: Query): number {
  if (!reply.overflow) return 0
  reply.length = questionEnd
  reply.answers = reply.authorities = reply.additionals = 0
  return flag.TC
}
