import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Counters, Limits } from '../../../dns/index.ts'

export interface State {
  counters: Counters
  descriptors: number
  memory: number
  cpu: { user: number; system: number }
}

/** The server of server.ts. */
export async function startServer(limits: Partial<Limits> = {}) {
  const child = fork(join(import.meta.dirname, 'server.ts'), [JSON.stringify(limits)])
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  return {
    port,
    async state(): Promise<State> {
      const answered = once(child, 'message')
      child.send('state')
      return (await answered)[0] as State
    },
    async [Symbol.asyncDispose]() {
      const exited = once(child, 'exit')
      child.send('close')
      await exited
    },
  }
}

export interface Latency {
  lost: number
  p50: number
  p99: number
  max: number
}

const run = promisify(execFile)

/** What queries over UDP take, in milliseconds. */
export async function probe(port: number, queries: number, pace: number): Promise<Latency> {
  const prober = join(import.meta.dirname, 'prober.ts')
  const { stdout } = await run(process.execPath, [prober, String(port), String(queries), String(pace)], {
    timeout: 60_000,
  })
  return JSON.parse(stdout) as Latency
}
