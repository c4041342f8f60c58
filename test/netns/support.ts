/** A run directory and an instance of a test's own, and what iproute2 and nft say of them. */
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { deriveInstance } from '../../netns/addressing/instance.ts'
import { createNetwork, type Network, type NetworkOptions } from '../../netns/index.ts'
import { connectTcp } from '../../netns/sockets/sockets.ts'
import { removeTree } from '../remove-tree.ts'

export const run = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: 'utf8' })

/** A command inside a network namespace. */
export const inside = (namespace: string, command: string, ...args: string[]) =>
  run('nsenter', `--net=${namespace}`, command, ...args)

export interface Place {
  runDirectory: string
  instance: string
}

interface Test {
  teardown(fn: () => unknown): unknown
}

export function ownPlace(t: Test): Place {
  const runDirectory = mkdtempSync(join(tmpdir(), 'netns-test-'))
  t.teardown(() => removeTree(runDirectory))
  return { runDirectory, instance: deriveInstance(randomBytes(16).toString('hex')) }
}

/** A network that is gone when the test is over. */
export async function ownNetwork(t: Test, options: Partial<NetworkOptions> = {}): Promise<Network> {
  const network = await createNetwork({ name: 'test', poolSize: 0, ...ownPlace(t), ...options })
  t.teardown(() => network.destroy())
  return network
}

/** Starts a process in a network namespace of its own, as anybody would; it lives until it is killed. */
export async function foreigner(t: Test): Promise<{ pid: number; path: string; end: () => Promise<void> }> {
  const child = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  await once(child.stdout, 'data')
  const end = async () => {
    child.kill('SIGKILL')
    await exited
  }
  t.teardown(end)
  const pid = child.pid as number
  return { pid, path: `/proc/${pid}/ns/net`, end }
}

/** Everything that an instance has in the kernel and in its run directory, as others see it. */
export function remains({ runDirectory, instance }: Place): string[] {
  const lines = (command: string, ...args: string[]) => run(command, ...args).split('\n')
  return [
    ...lines('ip', '-o', 'link').filter((line) => line.includes(`moor${instance}`)),
    ...lines('ip', 'route').filter((line) => line.includes(`moor${instance}`)),
    ...lines('nft', 'list', 'tables').filter((line) => line.includes(instance)),
    ...readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(runDirectory)),
    ...readdirSync(join(runDirectory, 'netns')),
  ]
}

/** Looks again and again until it is so. */
export async function until(what: string, so: () => boolean, milliseconds = 10_000): Promise<void> {
  const end = performance.now() + milliseconds
  while (!so()) {
    if (performance.now() > end) throw new Error(`still not so after ${milliseconds} ms: ${what}`)
    await turn()
  }
}

/** Tells how a TCP connection from a namespace ends: `open`, the error's code, or `TIMEOUT` after a second. */
export async function dial(namespace: number, address: string, port: number): Promise<string> {
  try {
    const connection = await connectTcp(namespace, address, port, { timeout: 1000 })
    connection.destroy()
    return 'open'
  } catch (error) {
    return (error as { code: string }).code
  }
}

/** Counts this process's descriptors, but for those of a thread that is just ending. */
export const openFiles = () => readdirSync('/proc/self/fd').length

/** Gives a namespace a link called eth0 with an address and a default route, as a container of somebody else's has. */
export function giveLink(path: string): void {
  for (const line of [
    'link set lo up',
    'link add eth0 type veth peer name peer0',
    'addr add 192.0.2.9/24 dev eth0',
    'link set peer0 up',
    'link set eth0 up',
    'route add default via 192.0.2.1',
  ]) {
    inside(path, 'ip', ...line.split(' '))
  }
}
