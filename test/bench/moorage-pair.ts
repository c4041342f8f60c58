import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import type { Moorage } from '../../src/index.ts'
import { type OwnDaemon, type OwnDirectories, redisImage, startDaemon, until } from '../e2e/own-daemon.ts'
import type { Contender } from './frame.ts'

/** The tutorial's first step, through the SDK, against a daemon of its own. */
export interface MooragePair extends Contender, AsyncDisposable {
  readonly versions: string
  /** Writes the root filesystem that the containers run on to a tar. */
  writeRootfs(tar: string): void
}

/** @param command - what the service runs */
export async function mooragePair(
  directories: OwnDirectories,
  command: readonly string[],
): Promise<MooragePair> {
  await using undo = new AsyncDisposableStack()
  const daemon: OwnDaemon = undo.use(await startDaemon(directories))
  const moorage: Moorage = undo.use(await daemon.connect())
  // The image is made here, before anything is measured.
  await moorage.container().from(redisImage).withExec(['redis-cli', '--version']).stdout()
  const { runtime, version } = await moorage.status()

  const owned = undo.move()
  return {
    name: 'moorage',
    versions: `moorage ${version}, runtime ${runtime}`,
    async run(turn) {
      let healthy = Number.NaN
      const service = moorage
        .container()
        .from(redisImage)
        .withExposedPort(6379)
        .withExec([...command])
        .asService({ instance: `turn ${turn}`, grace: 0 })
      const client = moorage
        .container()
        .from(redisImage)
        .withServiceBinding('redis-srv', service)
        .withExec(['redis-cli', '-h', 'redis-srv', 'ping'], { noCache: true })
      const begin = performance.now()
      const pong = await client.stdout({
        onEvent: (event) => {
          if (event.type === 'progress' && event.kind === 'lease' && event.state === 'taken')
            healthy = performance.now()
        },
      })
      const end = performance.now()
      if (pong.trim() !== 'PONG') throw new Error(`moorage: expected PONG, got ${pong}`)
      return { pair: end - begin, service: healthy - begin, client: end - healthy }
    },
    async tidy() {
      await until('the service has stopped', async () => {
        const { services } = await moorage.status()
        return services.every(({ state }) => state === 'stopped' || state === 'failed')
      })
    },
    writeRootfs: (tar) => importRootfs(directories.stateDirectory, tar),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Writes the root filesystem of a state directory to a tar, for Docker to import. */
export function importRootfs(stateDirectory: string, tar: string): void {
  const rootfs = rootfsBelow(stateDirectory)
  const { status, stderr } = spawnSync('tar', [
    '--create',
    '--numeric-owner',
    '--file',
    tar,
    '--directory',
    rootfs,
    '.',
  ])
  if (status !== 0) throw new Error(`tar of ${rootfs}: ${stderr}`)
}

/** The one root filesystem in a fresh state directory: where Redis is. What is in the making comes and goes. */
function rootfsBelow(stateDirectory: string): string {
  const server = '-path ./tmp -prune -o -path */usr/bin/redis-server -print -quit'
  const { stdout } = spawnSync('find', ['.', ...server.split(' ')], { cwd: stateDirectory, encoding: 'utf8' })
  if (stdout === '') throw new Error(`no root filesystem with redis-server below ${stateDirectory}`)
  return join(stateDirectory, dirname(stdout.trim()), '../..')
}
