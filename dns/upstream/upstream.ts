import { isIP } from 'node:net'
import { DnsError } from '../errors.ts'
import type { Endpoint } from '../wire/address.ts'

/** A resolver to ask: an address, with its scope if it is link-local, and a port. */
export type Upstream = Endpoint

/** The name of an upstream in events and messages. */
export function upstreamKey({ address, port }: Upstream): string {
  return `${address} port ${port}`
}

/** @param text `9.9.9.9`, `127.0.0.1:5300`, `fd00::1`, `[fd00::1]:5300` */
export function parseUpstream(text: string): Upstream {
  const [, bracketed, plain, portText = '53'] =
    /^(?:\[([^\]]+)\]|([^:]*(?::[^:]*){2,}|[^:]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const address = bracketed ?? plain ?? ''
  const port = Number(portText)
  if (isIP(address) === 0 || port < 1 || port > 65535) {
    throw new DnsError(
      'INVALID_OPTION',
      `upstreams: "${text}" is not an address such as 9.9.9.9, 127.0.0.1:5300 or [fd00::1]:53`,
    )
  }
  return { address, port }
}
