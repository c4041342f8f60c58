import { join } from 'node:path'
import type { Contender } from './frame.ts'
import { type OwnDockerd, startDockerd } from './own-dockerd.ts'

const subnet = '10.213.0.0/16'
const image = 'redis-bench'
const network = 'bench'

/** `docker run -d`, waiting until it accepts connections, `docker run --rm … redis-cli ping`; and its dockerd. */
export interface DockerPair extends Contender, AsyncDisposable {
  readonly versions: string
}

/**
 * @param directory - for dockerd's data, on a real filesystem
 * @param rootfs - a tar of the root filesystem
 * @param command - what the service runs
 */
export async function dockerPair(
  directory: string,
  rootfs: string,
  command: readonly string[],
): Promise<DockerPair> {
  await using undo = new AsyncDisposableStack()
  const engine: OwnDockerd = undo.use(await startDockerd(join(directory, 'docker')))
  await engine.docker('import', rootfs, image)
  await engine.docker('network', 'create', '--subnet', subnet, network)

  const owned = undo.move()
  return {
    name: 'docker',
    versions: engine.versions,
    async run(turn) {
      // Names and addresses of its own each turn, as for ours; a fixed address saves Docker the question for it.
      const name = `redis-${turn}`
      const address = `10.213.${1 + (turn >> 7)}.${1 + (turn & 127)}`
      const begin = performance.now()
      await engine.docker(
        'run',
        '-d',
        '--name',
        name,
        '--network',
        network,
        '--ip',
        address,
        image,
        ...command,
      )
      await engine.accepts(address, 6379)
      const healthy = performance.now()
      const pong = await engine.docker(
        'run',
        '--rm',
        '--network',
        network,
        image,
        'redis-cli',
        '-h',
        name,
        'ping',
      )
      const end = performance.now()
      if (pong !== 'PONG') throw new Error(`docker: expected PONG, got ${pong}`)
      return { pair: end - begin, service: healthy - begin, client: end - healthy }
    },
    async tidy(turn) {
      await engine.docker('rm', '-f', `redis-${turn}`)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
