import type { FastifyRequest } from 'fastify'
import { MoorageError } from '../../errors/index.ts'

export function queryOf(request: FastifyRequest): Record<string, string | undefined> {
  return request.query as Record<string, string | undefined>
}

/** Returns a part of the path: `id` of `/v1/services/:id`. */
export function parameterOf(request: FastifyRequest, name: string): string {
  return (request.params as Record<string, string>)[name] ?? ''
}

export function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** @throws MoorageError INVALID_OPTION, naming the option */
export function numberOf(option: string, text: string): number {
  const number = Number(text)
  if (Number.isFinite(number)) return number
  throw new MoorageError('INVALID_OPTION', { option, reason: `"${text}" is not a number` })
}
