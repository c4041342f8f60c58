/** `moorage/dns`: an authoritative DNS server to embed, with a view for each client. */
export type { ReadableRecord } from './decode-answer.ts'
export { DnsError, type DnsErrorCode } from './errors.ts'
export type { Listen } from './listeners.ts'
export { type Response, respond, type Snapshot } from './respond.ts'
export {
  type Counters,
  createDnsServer,
  type DnsAnswer,
  type DnsServer,
  type DnsServerOptions,
  type QueryEvent,
  type Transaction,
} from './server.ts'
export { ViewData, type Views } from './view.ts'
export { type Zone, ZoneData } from './zone.ts'
