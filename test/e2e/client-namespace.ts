import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeTree } from '../remove-tree.ts'

export interface Outcome {
  code: number
  stdout: string
  /** Milliseconds. */
  took: number
}

/**
 * Two network namespaces with a cable between them, and in each a mount namespace: a server's, and a client's whose
 * /etc/resolv.conf names the server and nobody else. Nothing of the host's network is in either.
 */
export interface ClientNamespace extends AsyncDisposable {
  readonly server: string
  readonly client: string
  readonly directory: string
  /** The server's /etc/resolv.conf; nobody is named in it at first. */
  readonly serverResolvConf: string
  /** Starts a program beside the server. */
  serve(command: string, args: readonly string[]): ChildProcess
  /** Starts a program beside the client. */
  serveBeside(command: string, args: readonly string[]): ChildProcess
  /** Runs a program as the client, to its end. */
  run(command: string, ...args: string[]): Promise<Outcome>
}

const addresses = { server: '10.77.0.1', client: '10.77.0.2' }

export async function createClientNamespace(options = 'ndots:0'): Promise<ClientNamespace> {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-client-'))
  const serverResolvConf = join(directory, 'server-resolv.conf')
  const holders = [await hold(), await hold()] as const
  const [server, client] = holders.map(({ pid }) => pid as number) as [number, number]
  const enter = (pid: number) => ['-t', String(pid), '-n', '-m', '--']
  const dispose = async () => {
    for (const holder of holders) {
      const exited = once(holder, 'exit')
      holder.kill('SIGKILL')
      await exited
    }
    removeTree(directory)
  }
  try {
    const inside = (pid: number, ...args: string[]) =>
      void execFileSync('nsenter', [...enter(pid), ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
    inside(
      server,
      'ip',
      'link',
      'add',
      'dns0',
      'type',
      'veth',
      'peer',
      'name',
      'dns1',
      'netns',
      String(client),
    )
    for (const [pid, link, address, mac] of [
      [server, 'dns0', addresses.server, '02:00:00:00:00:01'],
      [client, 'dns1', addresses.client, '02:00:00:00:00:02'],
    ] as const) {
      inside(pid, 'ip', 'link', 'set', 'lo', 'up')
      inside(pid, 'ip', 'link', 'set', link, 'address', mac)
      inside(pid, 'ip', 'address', 'add', `${address}/24`, 'dev', link)
      inside(pid, 'ip', 'address', 'add', `fd77::${mac.slice(-1)}/64`, 'dev', link, 'nodad')
      // Link-local, as routers announce their resolvers.
      inside(pid, 'ip', 'address', 'add', `fe80::${mac.slice(-1)}/64`, 'dev', link, 'nodad')
      inside(pid, 'ip', 'link', 'set', link, 'up')
    }
    const files = {
      'resolv.conf': `nameserver ${addresses.server}\noptions ${options}\n`,
      'nsswitch.conf': 'hosts: files dns\n',
      hosts: '127.0.0.1 localhost\n',
    }
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(directory, name), text)
      inside(client, 'mount', '--bind', join(directory, name), join('/etc', name))
    }
    writeFileSync(serverResolvConf, '')
    inside(server, 'mount', '--bind', serverResolvConf, '/etc/resolv.conf')
  } catch (error) {
    await dispose()
    throw error
  }
  return {
    ...addresses,
    directory,
    serverResolvConf,
    serveBeside: (command, args) =>
      spawn('nsenter', [...enter(client), command, ...args], { stdio: ['ignore', 'pipe', 'inherit'] }),
    serve: (command, args) =>
      spawn('nsenter', [...enter(server), command, ...args], { stdio: ['ignore', 'pipe', 'inherit'] }),
    async run(command, ...args) {
      const begin = performance.now()
      return new Promise((resolve) => {
        const whole = [...enter(client), command, ...args]
        execFile('nsenter', whole, { timeout: 30_000 }, (error, stdout) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
          resolve({ code, stdout, took: performance.now() - begin })
        })
      })
    },
    [Symbol.asyncDispose]: dispose,
  }
}

/** A process that does nothing in namespaces of its own, whose end is theirs. */
async function hold(): Promise<ChildProcess> {
  const script = 'mount --make-rprivate / && echo ready && exec sleep infinity'
  const child = spawn('unshare', ['--net', '--mount', 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ready = once(child.stdout as NodeJS.ReadableStream, 'data')
  const failed = once(child, 'exit').then(() => Promise.reject(new Error('unshare: needs root')))
  failed.catch(() => undefined)
  await Promise.race([ready, failed])
  return child
}
