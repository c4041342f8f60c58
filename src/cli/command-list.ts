import type { Command } from 'commander'

/** A command's file. `configure` adds its arguments, options and action to the command that was chosen. */
interface CommandModule {
  configure(command: Command): void
}

interface CommandEntry {
  readonly name: string
  readonly summary: string
  load(): Promise<CommandModule>
}

/** Every command, in the order of the help. */
export const commands: readonly CommandEntry[] = [
  {
    name: 'setup',
    summary: 'prepare this host: install and set what containers need',
    load: () => import('./commands/setup.ts'),
  },
  {
    name: 'doctor',
    summary: 'check this host, with a remedy for whatever is missing',
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'daemon',
    summary: 'run the daemon in the foreground',
    load: () => import('./commands/daemon.ts'),
  },
  {
    name: 'run',
    summary: 'run one container, with services; its exit code is passed through',
    load: () => import('./commands/run.ts'),
  },
  {
    name: 'start',
    summary: 'start a service that stays until it is stopped',
    load: () => import('./commands/start.ts'),
  },
  { name: 'stop', summary: 'stop services', load: () => import('./commands/stop.ts') },
  { name: 'restart', summary: 'restart services', load: () => import('./commands/restart.ts') },
  {
    name: 'status',
    summary: 'the daemon, its networks, its problems and every service',
    load: () => import('./commands/status.ts'),
  },
  { name: 'ps', summary: 'the services, for scripts', load: () => import('./commands/ps.ts') },
  {
    name: 'tree',
    summary: 'the services, and why each is alive',
    load: () => import('./commands/tree.ts'),
  },
  {
    name: 'why',
    summary: 'the chain of causes of a service or a run',
    load: () => import('./commands/why.ts'),
  },
  {
    name: 'explain',
    summary: 'which field makes two services or runs different ones',
    load: () => import('./commands/explain.ts'),
  },
  {
    name: 'logs',
    summary: 'what services and runs have written',
    load: () => import('./commands/logs.ts'),
  },
  {
    name: 'events',
    summary: 'what goes on in the daemon, as it happens',
    load: () => import('./commands/events.ts'),
  },
  {
    name: 'exec',
    summary: 'run a command in a service; its exit code is passed through',
    load: () => import('./commands/exec.ts'),
  },
  {
    name: 'inspect',
    summary: 'everything about a service or a run, as JSON',
    load: () => import('./commands/inspect.ts'),
  },
  {
    name: 'dns',
    summary: 'what a client gets for a name, and every name there is',
    load: () => import('./commands/dns.ts'),
  },
  {
    name: 'network',
    summary: 'the networks that services and runs are in',
    load: () => import('./commands/network.ts'),
  },
  {
    name: 'version',
    summary: 'the version of this program and of the daemon',
    load: () => import('./commands/version.ts'),
  },
]
