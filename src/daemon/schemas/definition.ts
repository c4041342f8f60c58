import { z } from 'zod'
import type {
  Binding,
  Definition,
  EvaluateRequest,
  ExecRequest,
  ExposedPort,
  HostPort,
  Mount,
  NetworkSettings,
  Operation,
  PortForward,
  ResolveRequest,
  ServiceOptions,
  ServiceReference,
  StartRequest,
  UpRequest,
} from '../../definition/index.ts'
import {
  aliasProblem,
  labelProblem,
  normalPath,
  ownerProblem,
  urlProblem,
  volumeNameProblem,
} from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { healthCheck, portCheck } from './health-check.ts'
import { resources } from './resources.ts'
import { argument, milliseconds, portNumber } from './scalars.ts'

/**
 * What comes in from outside is parsed here, once. The types are the client's; `satisfies` lets the compiler hold
 * the schemas to them, and unknown fields are errors.
 */

type Exact<T> = z.ZodType<T>

/** A definition of more operations than this is a mistake. */
const maximumOperations = 10_000

const index = z.int().min(0)
const text = z.string().max(1_000_000)
const absolutePath = argument.refine(
  (value) => value.startsWith('/') && !value.split('/').includes('..'),
  'is not an absolute path without ..',
)
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)
const variableName = argument.refine((name) => name !== '' && !name.includes('='), 'is no name of a variable')

/** A check of ours as one of zod's: the problem, if there is one, is what the message says. */
function checked(problemOf: (value: string) => string | undefined) {
  return z.string().superRefine((value, context) => {
    const problem = problemOf(value)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })
}

const port = z.strictObject({
  port: portNumber,
  protocol: z.enum(['tcp', 'udp']),
  description: text.exactOptional(),
  check: z.union([z.literal('none'), portCheck]).exactOptional(),
}) satisfies Exact<ExposedPort>

const serviceFields = {
  ports: z.array(port).max(1_000).exactOptional(),
  healthcheck: z.literal('none').exactOptional(),
  checks: z.array(healthCheck).max(100).exactOptional(),
  grace: milliseconds.exactOptional(),
  startTimeout: milliseconds.exactOptional(),
  stopTimeout: milliseconds.exactOptional(),
  stopSignal: z
    .string()
    .regex(/^SIG[A-Z0-9]+$/)
    .exactOptional(),
}
const serviceOptions = z.strictObject(serviceFields) satisfies Exact<ServiceOptions>
const serviceReference = z.strictObject({ ...serviceFields, exec: index }) satisfies Exact<ServiceReference>

const mount = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('cache'),
    path: absolutePath,
    volume: index,
    sharing: z.enum(['shared', 'private', 'locked']),
  }),
  z.strictObject({ type: z.literal('directory'), path: absolutePath, source: index }),
  z.strictObject({ type: z.literal('file'), path: absolutePath, source: index }),
  z.strictObject({ type: z.literal('temp'), path: absolutePath, size: z.int().min(1).exactOptional() }),
]) satisfies Exact<Mount>

const mounts = z.array(mount).superRefine((all, context) => {
  const paths = all.map(({ path }) => normalPath(path))
  const twice = paths.find((path, at) => paths.indexOf(path) !== at)
  if (twice !== undefined) context.addIssue({ code: 'custom', message: `${twice} is mounted twice` })
})

const binding = z.strictObject({
  alias: checked(aliasProblem),
  service: serviceReference,
}) satisfies Exact<Binding>

const bindings = z.array(binding).superRefine((all, context) => {
  const services = new Map<string, number>()
  for (const { alias, service } of all) {
    const key = alias.toLowerCase()
    if ((services.get(key) ?? service.exec) !== service.exec) {
      context.addIssue({ code: 'custom', message: `the alias "${alias}" is given to two services` })
    }
    services.set(key, service.exec)
  }
})

const attributes = {
  owner: checked(ownerProblem).exactOptional(),
  permissions: z.int().min(0).max(0o7777).exactOptional(),
}
const hostPort = z.strictObject({
  host: portNumber,
  service: portNumber,
  protocol: z.enum(['tcp', 'udp']),
}) satisfies Exact<HostPort>

const operation = z.discriminatedUnion('op', [
  z.strictObject({
    op: z.literal('image'),
    ref: z.string().min(1).max(4_096),
    pull: z.literal('always').exactOptional(),
    platform: z.string().min(1).max(100).exactOptional(),
  }),
  z.strictObject({ op: z.literal('host'), digest }),
  z.strictObject({ op: z.literal('rootfs'), directory: index }),
  z.strictObject({ op: z.literal('hostService'), ports: z.array(hostPort).min(1).max(1_000) }),
  z.strictObject({ op: z.literal('scratch') }),
  z.strictObject({ op: z.literal('cacheVolume'), name: checked(volumeNameProblem) }),
  z.strictObject({
    op: z.literal('exec'),
    input: index,
    args: z.array(argument).exactOptional(),
    useEntrypoint: z.boolean().exactOptional(),
    entrypoint: z.array(argument).exactOptional(),
    defaultArgs: z.array(argument).exactOptional(),
    env: z.array(z.tuple([variableName, argument.nullable()])).exactOptional(),
    user: argument.exactOptional(),
    workdir: absolutePath.exactOptional(),
    stdin: z.string().exactOptional(),
    expect: z
      .union([z.literal('success'), z.literal('any'), z.array(z.int().min(0).max(255)).min(1)])
      .exactOptional(),
    mounts: mounts.exactOptional(),
    bindings: bindings.exactOptional(),
    resources: resources.exactOptional(),
    hostname: checked(labelProblem).exactOptional(),
    instance: z.string().min(1).max(1_000).exactOptional(),
    noCache: z.boolean().exactOptional(),
  }),
  z.strictObject({ op: z.literal('directory'), input: index, path: absolutePath }),
  z.strictObject({ op: z.literal('file'), input: index, path: absolutePath }),
  z.strictObject({ op: z.literal('copy'), input: index, source: index, path: absolutePath, ...attributes }),
  z.strictObject({
    op: z.literal('write'),
    input: index,
    path: absolutePath,
    contents: z.string(),
    encoding: z.literal('base64').exactOptional(),
    ...attributes,
  }),
  z.strictObject({
    op: z.literal('remove'),
    input: index,
    path: absolutePath,
    recursive: z.boolean().exactOptional(),
  }),
  z.strictObject({
    op: z.literal('http'),
    url: checked(urlProblem),
    bindings: bindings.exactOptional(),
    noCache: z.boolean().exactOptional(),
  }),
]) satisfies Exact<Operation>

const definition = z.strictObject({
  ops: z.array(operation).min(1).max(maximumOperations),
  root: index,
}) satisfies Exact<Definition>

const network = z.string().max(40).exactOptional()

export const networkSettings = z.strictObject({
  subnet: z.string().max(50).exactOptional(),
  ipv6: z.union([z.boolean(), z.string().max(50)]).exactOptional(),
  isolation: z.enum(['network', 'bindings']).exactOptional(),
}) satisfies Exact<NetworkSettings>

const forward = z.strictObject({
  host: z.int().min(0).max(65_535),
  service: z.int().min(1).max(65_535),
  address: z.union([z.ipv4(), z.ipv6()]).exactOptional(),
  protocol: z.enum(['tcp', 'udp']).exactOptional(),
}) satisfies Exact<PortForward>
const forwards = z.array(forward).max(1_000).exactOptional()

export const evaluateRequest = z.strictObject({
  definition,
  output: z.enum([
    'stdout',
    'stderr',
    'exitCode',
    'sync',
    'size',
    'contents',
    'entries',
    'tar',
    'contentDigest',
  ]),
  network,
  logs: z.boolean().exactOptional(),
  publish: forwards,
  limit: z.int().min(0).exactOptional(),
}) satisfies Exact<EvaluateRequest>

export const startRequest = z.strictObject({
  definition,
  service: serviceOptions,
  network,
  detach: z.boolean().exactOptional(),
  for: milliseconds.exactOptional(),
  publish: forwards,
}) satisfies Exact<StartRequest>

export const upRequest = z.strictObject({
  definition,
  service: serviceOptions,
  network,
  ports: forwards,
}) satisfies Exact<UpRequest>

export const execRequest = z.strictObject({
  args: z.array(argument).min(1),
  stdin: z.string().exactOptional(),
}) satisfies Exact<ExecRequest>

export const resolveRequest = z.strictObject({
  definition,
  service: serviceOptions.exactOptional(),
  network,
  want: z.enum(['digest', 'hostname', 'endpoint', 'ports']),
  port: portNumber.exactOptional(),
  scheme: z
    .string()
    .regex(/^[a-z][a-z0-9+.-]*$/)
    .exactOptional(),
  from: z.enum(['container', 'host']).exactOptional(),
}) satisfies Exact<ResolveRequest>

export const blobsRequest: Exact<{ digests: string[] }> = z.strictObject({
  digests: z.array(digest).max(10_000),
})
export const blobDigest: Exact<string> = digest

/** @throws MoorageError INVALID_DEFINITION or INVALID_REQUEST, naming the field */
export function parse<T>(schema: Exact<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const path = issue?.path.join('.') ?? ''
  const reason = [path, issue?.message].filter(Boolean).join(': ')
  throw new MoorageError(path.startsWith('definition') ? 'INVALID_DEFINITION' : 'INVALID_REQUEST', { reason })
}
