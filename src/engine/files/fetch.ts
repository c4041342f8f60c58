import { createWriteStream } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { BlockList, isIP, type Socket } from 'node:net'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { connect as connectTls } from 'node:tls'
import { urlProblem } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { ServiceNetwork } from '../../network/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { Caller } from '../caller.ts'
import type { EngineContext } from '../context.ts'
import { enterServiceNetwork } from '../networks/enter-network.ts'
import type { PlannedFetch } from '../plan/planned.ts'
import type { Releases } from '../release.ts'

/** Limit of an answer, in bytes. */
const largestAnswer = 4 * 1024 ** 3
const mostRedirects = 10
const connectTimeout = 10_000
/** Limit of a silence in an answer, in milliseconds. */
const longestSilence = 60_000
/** Bytes of an answer after which the free disk space is checked again. */
const spaceCheckEvery = 64 * 1024 ** 2

interface FetchUrl {
  fetch: PlannedFetch
  /** The file that is written. */
  path: string
  network: string
  caller: Caller
  /** Releases the services. */
  releases: Releases
}

/**
 * Fetches a URL from within a network, as a container in it would: its services are started first, their aliases are
 * names there, and the host's own addresses are out of reach.
 *
 * @throws MoorageError HTTP_FAILED, DISK_LOW, and what starting a service throws
 */
export async function fetchUrl(context: EngineContext, request: FetchUrl): Promise<void> {
  const { fetch, path, caller, releases } = request
  const network = await enterServiceNetwork(context, request.network, releases)
  const leases = await context.evaluator.acquireBindings({
    bindings: fetch.bindings,
    network: request.network,
    holder: { kind: 'fetch', url: fetch.url },
    caller,
    releases,
  })
  const lost = new AbortController()
  for (const lease of leases) void lease.lost.then((error) => lost.abort(error))
  const signal = AbortSignal.any([caller.signal, lost.signal])
  const aliases = new Map(
    fetch.bindings.map(({ alias }, index) => [alias.toLowerCase(), leases[index]?.address]),
  )
  const report = (state: 'running' | 'done' | 'failed', detail?: string) =>
    context.events.append({
      kind: 'http',
      id: fetch.url,
      name: fetch.url,
      network: request.network,
      state,
      ...withoutUndefined({ detail }),
    })
  report('running')
  try {
    const response = await follow(fetch.url, (url) => open(network, aliases, url, signal))
    await save(response, path, () => context.store.ensureSpace(), signal)
    report('done')
  } catch (error) {
    // The reason of the abort says more than the broken connection.
    const cause = signal.aborted ? signal.reason : error
    const failure = cause instanceof MoorageError ? cause : failed(fetch.url, reasonOf(cause), cause)
    report('failed', failure.message)
    throw signal.aborted ? signal.reason : failure
  }
}

async function follow(first: string, get: (url: URL) => Promise<IncomingMessage>): Promise<IncomingMessage> {
  let url = new URL(first)
  for (let redirects = 0; ; redirects += 1) {
    const response = await get(url)
    const { statusCode = 0, statusMessage, headers } = response
    if (statusCode === 200) return response
    response.destroy()
    const { location } = headers
    if (![301, 302, 303, 307, 308].includes(statusCode) || location === undefined) {
      throw failed(url.href, `the answer is ${statusCode} ${statusMessage ?? ''}`.trim())
    }
    if (redirects === mostRedirects) throw failed(first, `more than ${mostRedirects} redirects`)
    if (!URL.canParse(location, url.href))
      throw failed(url.href, `it redirects to "${location}", which is no URL`)
    url = new URL(location, url)
    const problem = urlProblem(url.href)
    if (problem !== undefined) throw failed(first, `it redirects to ${url.href}: ${problem}`)
  }
}

async function open(
  network: ServiceNetwork,
  aliases: ReadonlyMap<string, string | undefined>,
  url: URL,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const isTls = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const address = aliases.get(host.toLowerCase()) ?? (await resolve(network, host, url, signal))
  const port = Number(url.port || (isTls ? 443 : 80))
  const tcp = await network.network.connectTcp(address, port, { signal, timeout: connectTimeout })
  const socket = isTls ? secured(tcp, host) : tcp
  const answered = Promise.withResolvers<IncomingMessage>()
  const request = (isTls ? httpsRequest : httpRequest)(url, {
    // No `agent` option, not even `false`: with it Node would connect itself, from the host's own namespace.
    createConnection: () => socket,
    signal,
    headers: { 'accept-encoding': 'identity', 'user-agent': 'moorage', connection: 'close' },
  })
  request.setTimeout(longestSilence, () =>
    request.destroy(new Error(`nothing was heard for ${longestSilence / 1_000} s`)),
  )
  request.on('error', answered.reject).on('response', answered.resolve).end()
  try {
    return await answered.promise
  } catch (error) {
    tcp.destroy()
    throw error instanceof MoorageError ? error : failed(url.href, reasonOf(error), error)
  }
}

function secured(socket: Socket, host: string): Socket {
  return connectTls({ socket, ...(isIP(host) === 0 ? { servername: host } : { host }) })
}

/** Resolves a name as a container of the network would. Addresses of other private networks are refused. */
async function resolve(
  network: ServiceNetwork,
  host: string,
  url: URL,
  signal: AbortSignal,
): Promise<string> {
  const address = isIP(host) === 0 ? await lookUp(network, host, url, signal) : host
  const own = new BlockList()
  const [base = '', bits] = network.network.subnet.split('/')
  own.addSubnet(base, Number(bits))
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  if (family === 'ipv4' && own.check(address)) return address
  if (family === 'ipv6' || elsewhere.check(address)) {
    throw failed(url.href, `${address} is no address of the network, and none of the internet`)
  }
  return address
}

async function lookUp(network: ServiceNetwork, host: string, url: URL, signal: AbortSignal): Promise<string> {
  const { status, answers } = await network.query(host, 'A', { signal })
  const record = answers.find(({ type }) => type === 'A')
  if (record === undefined) throw failed(url.href, `the name ${host} has no address (${status})`)
  return record.data
}

/** Addresses that are not reachable for everybody, RFC 6890. */
const elsewhere = new BlockList()
for (const [base, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  elsewhere.addSubnet(base, bits)
}

async function save(
  response: IncomingMessage,
  path: string,
  ensureSpace: () => void,
  signal: AbortSignal,
): Promise<void> {
  const announced = Number(response.headers['content-length'] ?? 0)
  if (announced > largestAnswer) {
    response.destroy()
    throw new Error(`its ${announced} bytes are more than ${largestAnswer}`)
  }
  let length = 0
  let checked = 0
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      length += chunk.length
      if (length > largestAnswer) return done(new Error(`it is more than ${largestAnswer} bytes`))
      try {
        if (length - checked >= spaceCheckEvery) {
          ensureSpace()
          checked = length
        }
        done(null, chunk)
      } catch (error) {
        done(error as Error)
      }
    },
  })
  await pipeline(response, bounded, createWriteStream(path, { flags: 'wx', mode: 0o644 }), { signal })
}

function failed(url: string, reason: string, cause?: unknown): MoorageError {
  return new MoorageError('HTTP_FAILED', { url, reason }, cause === undefined ? {} : { cause })
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'the connection broke',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
  TIMEOUT: 'nobody answers',
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return reasons[code ?? ''] ?? message
}
