/**
 * The plan of the house: which rooms there are, what each may import, and the wings inside of them.
 * `scripts/arrows.ts` holds the tree to it; docs/architecture.md says in words what each room and wing is for.
 */

/** A wing may import files of these wings of its room, and of `types` only types. */
export interface Wing {
  readonly may: readonly string[]
  readonly types?: readonly string[]
}

/**
 * A folder or a single file. Files that lie directly in the folder may import every wing of it.
 * A room is entered by its index.ts, or by one of its `doors`.
 */
export interface Room {
  /** The rooms that it may import. */
  readonly may: readonly string[]
  /** Files besides index.ts that other rooms may import. */
  readonly doors?: readonly string[]
  /** Files directly in the folder that all of its wings may import; they import none of the wings' values. */
  readonly ground?: readonly string[]
  readonly wings?: Readonly<Record<string, Wing>>
}

export const rooms: Readonly<Record<string, Room>> = {
  dns: {
    may: [],
    ground: ['clock.ts', 'counters.ts', 'deadline.ts', 'errors.ts', 'events.ts', 'limits.ts'],
    wings: {
      wire: { may: [] },
      zones: { may: ['wire'] },
      upstream: { may: ['wire'] },
      answering: { may: ['wire', 'zones'], types: ['upstream'] },
      sockets: { may: ['wire'], types: ['answering'] },
      'hosts-file': { may: [], types: ['zones'] },
    },
  },
  netns: {
    may: ['netns/kernel'],
    ground: ['fault-points.ts', 'network.ts'],
    wings: {
      addressing: { may: [] },
      firewall: { may: ['addressing'] },
      sockets: { may: ['addressing'] },
      topology: { may: ['addressing'] },
      ownership: { may: ['addressing', 'firewall', 'topology'] },
      worker: { may: ['addressing', 'firewall', 'ownership', 'topology'] },
      // The main thread never loads the code of the worker thread.
      handle: { may: ['addressing', 'sockets'], types: ['firewall', 'topology', 'worker'] },
      check: { may: ['addressing', 'firewall', 'ownership'] },
    },
  },
  'netns/kernel': { may: [] },
  'src/kernel': { may: [] },
  'src/errors': { may: [] },
  'src/concurrency': { may: [] },
  'src/make-directory.ts': { may: [] },
  'src/package.ts': { may: [] },
  'src/system-tool': { may: [] },
  'src/base32hex.ts': { may: [] },
  'src/without-undefined.ts': { may: [] },
  'src/index.ts': { may: ['src/client', 'src/definition'] },
  // The launcher takes the default PATH, which is part of a digest, and the signals; it loads nothing else of it.
  'src/definition': {
    may: [],
    doors: ['default-path.ts', 'signals.ts'],
    ground: ['operations.ts'],
    wings: {
      digests: { may: [] },
      messages: { may: [] },
    },
  },
  'src/client': {
    may: ['src/definition', 'src/logs/frame.ts'],
    ground: ['cancellation.ts'],
    wings: {
      graph: { may: [] },
      wire: { may: [] },
      daemon: { may: ['wire'] },
      // The calls of one connection: what they share, the directories that they upload, their results.
      session: { may: ['graph', 'wire'] },
      files: { may: ['graph', 'session'] },
      service: { may: ['graph', 'wire', 'session'] },
      container: { may: ['graph', 'session', 'files', 'service'] },
    },
  },
  'src/store': { may: ['src/kernel'] },
  'src/images': {
    may: ['src/store'],
    ground: ['reference.ts', 'progress.ts', 'sync-filesystem.ts'],
    wings: { debian: { may: [] } },
  },
  'src/logs': { may: ['src/logs/frame.ts'] },
  'src/logs/frame.ts': { may: [] },
  'src/lifecycle': {
    may: [],
    ground: [
      'clock.ts',
      'driver.ts',
      'duration.ts',
      'escalation.ts',
      'grace-and-timeouts.ts',
      'holder.ts',
      'lease.ts',
      'news.ts',
      'scoped-key.ts',
      'snapshot.ts',
    ],
    wings: {
      health: { may: [] },
      exclusion: { may: [] },
      service: { may: ['health'] },
      stopping: { may: ['service'] },
    },
  },
  'src/network': { may: ['netns', 'dns'] },
  'src/runtime': { may: [], doors: ['runtime.ts'] },
  'src/runtime/oci': {
    may: ['src/runtime', 'src/logs', 'src/definition', 'src/kernel'],
    ground: ['oci-tool.ts', 'read-if-there.ts', 'runtime-paths.ts'],
    wings: {
      cgroups: { may: [] },
      seccomp: { may: [] },
      processes: { may: [] },
      rootfs: { may: [] },
      command: { may: ['rootfs'] },
      container: { may: ['cgroups', 'command', 'processes', 'rootfs'], types: ['seccomp'] },
      // The program of the launcher process, the daemon's side of it, and the messages between the two.
      launcher: { may: ['cgroups', 'container', 'processes', 'seccomp'] },
    },
  },
  'src/engine': {
    may: [
      'src/lifecycle',
      'src/store',
      'src/images',
      'src/runtime',
      'src/runtime/oci',
      'src/logs',
      'src/network',
      'src/definition',
      'src/kernel',
    ],
    ground: ['caller.ts', 'context.ts', 'engine.ts', 'release.ts', 'shown-name.ts'],
    wings: {
      plan: { may: [] },
      pacing: { may: [] },
      networks: { may: [] },
      probes: { may: [] },
      registry: { may: [], types: ['plan'] },
      rows: { may: ['plan', 'registry'], types: ['networks'] },
      events: { may: [], types: ['plan', 'rows'] },
      files: { may: ['plan', 'networks', 'registry'] },
      execution: { may: ['plan', 'files', 'networks', 'probes', 'registry'] },
      calls: {
        may: ['plan', 'events', 'execution', 'networks', 'registry', 'rows'],
      },
    },
  },
  'src/daemon': {
    may: ['src/engine', 'src/definition', 'src/logs/frame.ts', 'src/kernel'],
    ground: ['pinned-leases.ts', 'sessions.ts'],
    wings: {
      schemas: { may: [] },
      streams: { may: [] },
      routes: { may: ['schemas', 'streams'] },
    },
  },
  'src/cli': {
    may: ['src/index.ts', 'src/client', 'src/definition', 'src/daemon', 'dns', 'netns'],
    ground: [
      'command-action.ts',
      'daemon-api.ts',
      'first-signal.ts',
      'standard-streams.ts',
      'global-options.ts',
      'report-failure.ts',
      'subcommands.ts',
      'terminal.ts',
    ],
    wings: {
      printing: { may: [] },
      services: { may: ['printing'] },
      options: { may: [] },
      progress: { may: ['printing', 'services'] },
      commands: { may: ['options', 'printing', 'services', 'progress'] },
    },
  },
}

/** Rooms that all of src may import. */
export const common: readonly string[] = [
  'src/errors',
  'src/concurrency',
  'src/make-directory.ts',
  'src/package.ts',
  'src/system-tool',
  'src/base32hex.ts',
  'src/without-undefined.ts',
]

/**
 * Packages that only some rooms may import. FFI stays in three places; starting stays cheap for the SDK's users: zod
 * alone takes 70 ms.
 */
export const packages: Readonly<Record<string, readonly string[]>> = {
  koffi: ['netns/kernel', 'src/kernel', 'src/runtime/oci'],
  zod: ['src/daemon', 'src/engine', 'src/store', 'src/cli'],
  fastify: ['src/daemon'],
  commander: ['src/cli'],
}

/** Files that no import leads to: programs of processes and threads of their own. */
export const programs: readonly string[] = [
  'netns/worker/worker.ts',
  'src/cli/main.ts',
  'src/engine/probes/matcher-thread.ts',
  'src/network/dns-worker.ts',
  'src/runtime/oci/launcher/launcher.ts',
]

/** As many files a folder may have side by side, before a newcomer stops reading their names. */
export const mostFiles = 15

/** Folders that may have more, each with the reason; docs/architecture.md says the same. */
export const wideFolders: Readonly<Record<string, string>> = {
  'src/cli/commands': 'one file for each command, named after it',
}
