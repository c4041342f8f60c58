import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { removeTree } from '../remove-tree.ts'
import { rest } from './frame.ts'
import { Prober } from './prober.ts'

/** Debian's own pair, whatever else is in PATH. */
const dockerd = '/usr/sbin/dockerd'
const docker = '/usr/bin/docker'

/** What dockerd and its containerd write outside their own directories: covered in its mount namespace. */
const runDirectories = ['/run/docker', '/run/containerd']

/** A dockerd of our own, in network and mount namespaces of its own, so that it changes nothing of the host's. */
export interface OwnDockerd extends AsyncDisposable {
  /** Of dockerd; in its network namespace is what it does to a host. */
  readonly pid: number
  /** Names and versions of what is measured. */
  readonly versions: string
  /** Of its socket: `unix:///path`. */
  readonly host: string
  /** Runs the docker command line; resolves with its output, rejects when it fails. */
  docker(...args: string[]): Promise<string>
  /** Resolves as soon as a TCP connection to a container's address is accepted. */
  accepts(address: string, port: number): Promise<void>
}

export interface DockerdOptions {
  /** As on a host that did not forward before: the engine lets it, and sets the policy of FORWARD to DROP. */
  shut?: boolean
}

export async function startDockerd(
  directory: string,
  { shut = false }: DockerdOptions = {},
): Promise<OwnDockerd> {
  await using undo = new AsyncDisposableStack()
  mkdirSync(directory, { recursive: true })
  undo.defer(() => removeTree(directory))
  for (const path of runDirectories) {
    if (existsSync(path)) continue
    mkdirSync(path)
    undo.defer(() => rmdirSync(path))
  }
  const host = `unix://${join(directory, 'docker.sock')}`
  const cgroup = `docker-bench-${process.pid}`
  undo.defer(() => removeCgroups(cgroup))

  const options = [
    ['--data-root', join(directory, 'data')],
    ['--exec-root', join(directory, 'exec')],
    ['--pidfile', join(directory, 'docker.pid')],
    ['--host', host],
    ['--bridge', 'none'],
    ['--cgroup-parent', `/${cgroup}`],
  ].flat()
  const own = runDirectories.map((path) => `mount -t tmpfs none ${path}`)
  const forward = shut ? ['echo 0 >/proc/sys/net/ipv4/ip_forward'] : []
  const prepare = ['mount --make-rprivate /', ...own, ...forward, 'ip link set lo up'].join(' && ')
  const daemon = spawn(
    'unshare',
    ['--mount', '--net', 'sh', '-c', `${prepare} && exec "$@"`, 'sh', dockerd, ...options],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let words = ''
  daemon.stderr.on('data', (chunk) => {
    words = `${words}${chunk}`.slice(-16_384)
  })
  const gone = once(daemon, 'exit')
  undo.defer(async () => {
    daemon.kill('SIGTERM')
    await gone
    await allGone(directory)
  })

  const call = async (...args: string[]) => {
    const child = spawn(docker, ['--host', host, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    const exit = once(child, 'close')
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exit])
    if (code !== 0) throw new Error(`docker ${args.join(' ')}: exited with code ${code}: ${err}`)
    return out.trim()
  }
  const deadline = performance.now() + 30_000
  let versions = ''
  while (versions === '') {
    versions = await call(
      'version',
      '--format',
      'dockerd {{.Server.Version}}, docker {{.Client.Version}}',
    ).catch((error) => {
      if (daemon.exitCode !== null || performance.now() > deadline)
        throw new Error(`dockerd: ${words}`, { cause: error })
      return ''
    })
  }
  const parts = await call(
    'version',
    '--format',
    '{{range .Server.Components}}{{.Name}} {{.Version}}, {{end}}',
  )
  const runtimes = parts.split(', ').filter((part) => /^(containerd|runc) /.test(part))
  const prober = undo.use(new Prober(daemon.pid ?? 0))

  const owned = undo.move()
  return {
    pid: daemon.pid as number,
    versions: `${versions} (${dockerd}, ${docker}), ${runtimes.join(', ')}`,
    host,
    docker: call,
    accepts: (address, port) => prober.accepts(address, port),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Waits until no process names this directory any longer: shims outlive dockerd by some milliseconds. */
async function allGone(directory: string): Promise<void> {
  const deadline = performance.now() + 5_000
  while (performance.now() < deadline) {
    const commands = readdirSync('/proc').flatMap((pid) => {
      try {
        return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8')] : []
      } catch {
        return [] // it ended meanwhile
      }
    })
    if (!commands.some((command) => command.includes(directory))) return
    await rest(20)
  }
  throw new Error(`processes of the dockerd below ${directory} still run`)
}

/** Docker leaves its cgroup parent behind, in every hierarchy. */
function removeCgroups(name: string): void {
  for (const hierarchy of readdirSync('/sys/fs/cgroup')) {
    const path = join('/sys/fs/cgroup', hierarchy, name)
    if (existsSync(path)) rmdirSync(path)
  }
  if (existsSync(join('/sys/fs/cgroup', name))) rmdirSync(join('/sys/fs/cgroup', name))
}
