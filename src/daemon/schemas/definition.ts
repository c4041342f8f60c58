import { z } from 'zod'
import type {
  Binding,
  Definition,
  HostPort,
  Mount,
  Operation,
  ServiceReference,
} from '../../definition/index.ts'
import {
  aliasProblem,
  labelProblem,
  normalPath,
  ownerProblem,
  urlProblem,
  volumeNameProblem,
} from '../../definition/index.ts'
import type { Exact } from './parse.ts'
import { resources } from './resources.ts'
import { argument, digest, portNumber } from './scalars.ts'
import { serviceFields } from './services.ts'

/** A definition with more operations than this is a mistake. */
const maximumOperations = 10_000

const index = z.int().min(0)
const absolutePath = argument.refine(
  (value) => value.startsWith('/') && !value.split('/').includes('..'),
  'is not an absolute path without ..',
)
const mountPath = absolutePath.refine((value) => normalPath(value) !== '/', 'is the root of the filesystem')
/** Checked by the plan, which knows the variable's name. */
const variableValue = z.string()
const text = z.string().refine((value) => value.isWellFormed(), 'it holds half of a surrogate pair')
const variableName = argument.refine((name) => name !== '' && !name.includes('='), 'is no name of a variable')

/** Makes a schema of a check of ours, which returns the problem as a sentence if there is one. */
function checked(problemOf: (value: string) => string | undefined) {
  return z.string().superRefine((value, context) => {
    const problem = problemOf(value)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })
}

const serviceReference = z.strictObject({ ...serviceFields, exec: index }) satisfies Exact<ServiceReference>

const mount = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('cache'),
    path: mountPath,
    volume: index,
    sharing: z.enum(['shared', 'private', 'locked']),
  }),
  z.strictObject({ type: z.literal('directory'), path: mountPath, source: index }),
  z.strictObject({ type: z.literal('file'), path: mountPath, source: index }),
  z.strictObject({
    type: z.literal('temp'),
    path: mountPath,
    size: z.int().min(1).exactOptional(),
    owner: checked(ownerProblem).exactOptional(),
    mode: z.int().min(0).max(0o7777).exactOptional(),
  }),
]) satisfies Exact<Mount>

const mounts = z.array(mount).superRefine((mounts, context) => {
  const paths = mounts.map(({ path }) => normalPath(path))
  const twice = paths.find((path, index) => paths.indexOf(path) !== index)
  if (twice !== undefined) context.addIssue({ code: 'custom', message: `${twice} is mounted twice` })
})

const binding = z.strictObject({
  alias: checked(aliasProblem),
  service: serviceReference,
}) satisfies Exact<Binding>

const bindings = z.array(binding).superRefine((bindings, context) => {
  const services = new Map<string, number>()
  for (const { alias, service } of bindings) {
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
    env: z.array(z.tuple([variableName, variableValue.nullable()])).exactOptional(),
    user: argument.exactOptional(),
    workdir: absolutePath.exactOptional(),
    stdin: text.exactOptional(),
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
    contents: text,
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

/** The schemas are held to the client's types; an unknown field is an error. */
export const definition = z.strictObject({
  ops: z.array(operation).min(1).max(maximumOperations),
  root: index,
}) satisfies Exact<Definition>
