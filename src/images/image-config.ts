import type { ImageConfig } from '../store/index.ts'

/**
 * Parses an image's own config: that of OCI, with Docker's Healthcheck.
 * https://github.com/opencontainers/image-spec/blob/main/config.md
 *
 * @throws Error with a sentence, when it is malformed
 */
export function parseConfig(bytes: Buffer): ImageConfig {
  const config = record(record(JSON.parse(bytes.toString()), 'it').config ?? {}, 'config')
  const stopSignal = text(config.StopSignal, 'StopSignal')
  return {
    entrypoint: texts(config.Entrypoint, 'Entrypoint'),
    cmd: texts(config.Cmd, 'Cmd'),
    env: texts(config.Env, 'Env'),
    user: text(config.User, 'User'),
    workdir: text(config.WorkingDir, 'WorkingDir') || '/',
    exposedPorts: Object.keys(record(config.ExposedPorts ?? {}, 'ExposedPorts')).flatMap(ports),
    ...(stopSignal === '' ? {} : { stopSignal }),
    ...(config.Healthcheck ? { healthcheck: record(config.Healthcheck, 'Healthcheck') } : {}),
  }
}

/** Parses `6379/tcp`, `6379`, or Docker's `7000-7002/udp`; sctp ports are left out. */
function ports(exposed: string): ImageConfig['exposedPorts'] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(\w+))?$/.exec(exposed)
  if (!match) throw new Error(`its config is malformed: "${exposed}" is not a port`)
  const [, first, last = first, protocol = 'tcp'] = match
  if (protocol !== 'tcp' && protocol !== 'udp') return []
  const [low, high] = [Number(first), Number(last)]
  if (low < 1 || high > 65_535 || high < low) {
    throw new Error(`its config is malformed: "${exposed}" is not a port`)
  }
  return Array.from({ length: high - low + 1 }, (_, i) => ({ port: low + i, protocol }) as const)
}

function record(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(name)
  return value as Record<string, unknown>
}

function texts(value: unknown, name: string): string[] {
  if (value === null || value === undefined) return []
  if (!Array.isArray(value)) throw malformed(name)
  return value.map((entry) => text(entry, name))
}

function text(value: unknown, name: string): string {
  if (value === null || value === undefined) return ''
  // No argument and no variable of a process can hold a NUL.
  if (typeof value !== 'string' || value.includes('\0')) throw malformed(name)
  return value
}

function malformed(name: string): Error {
  return new Error(`its config is malformed: ${name} is not what it should be`)
}
