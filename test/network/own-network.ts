import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deriveInstance } from '../../netns/addressing/instance.ts'
import {
  createServiceNetwork,
  type ServiceNetwork,
  type ServiceNetworkOptions,
} from '../../src/network/index.ts'
import type { Place } from '../netns/support.ts'
import { removeTree } from '../remove-tree.ts'

interface Test {
  teardown(fn: () => unknown): unknown
}

/** A network of a test's own, that asks nobody outside, and is gone when the test is over. */
export async function ownServiceNetwork(
  t: Test,
  options: Partial<ServiceNetworkOptions> = {},
): Promise<ServiceNetwork & { place: Place }> {
  const runDirectory = mkdtempSync(join(tmpdir(), 'network-test-'))
  t.teardown(() => removeTree(runDirectory))
  const place = { runDirectory, instance: deriveInstance(randomBytes(16).toString('hex')) }
  const network = await createServiceNetwork({
    name: 'test',
    poolSize: 0,
    upstreams: 'none',
    ...place,
    ...options,
  })
  t.teardown(() => network.close())
  return { ...network, place }
}

/** Returns what a network shows of its members: DNS, and the text of each hosts file. */
export function shown({ records, place, name }: ServiceNetwork & { place: Place }): string[] {
  const directory = join(place.runDirectory, 'hosts', name)
  const files = existsSync(directory) ? readdirSync(directory).sort() : []
  return [
    ...records().map(({ name, value, view }) => `${view}: ${name} ${value}`),
    ...files.map((file) => `${file}: ${readFileSync(join(directory, file), 'utf8').trimEnd()}`),
  ]
}
