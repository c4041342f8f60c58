import { mkdirSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { asMoorageError, MoorageError } from '../errors.ts'
import { instanceOf } from './instance.ts'
import { directoryName, KeptDirectories } from './kept-directories.ts'
import { openIndex } from './schema.ts'

/** What an image says of how it is to be run. */
export interface ImageConfig {
  entrypoint: string[]
  cmd: string[]
  /** `NAME=value`. */
  env: string[]
  user: string
  workdir: string
  exposedPorts: { port: number; protocol: 'tcp' | 'udp' }[]
  stopSignal?: string
  healthcheck?: unknown
}

export interface Pin {
  digest: string
  pinnedAt: number
}

export interface StoredImage {
  digest: string
  rootfs: string
  config: ImageConfig
  /** Where it came from, for people. */
  source: string
  createdAt: number
}

export interface StoredResult {
  digest: string
  /** The directory of what the run wrote. */
  layer: string
  /** The directory of its log. */
  logs: string
  exitCode: number
  createdAt: number
}

/** Everything that is kept below the state directory, and its index. */
export interface Store extends AsyncDisposable {
  readonly directory: string
  readonly instance: string
  /** A fresh directory on the same filesystem; whoever asked removes it, or hands it over to `adopt`. */
  temporary(): Promise<string>
  readonly images: {
    pin(ref: string): Pin | undefined
    setPin(ref: string, digest: string): void
    get(digest: string): StoredImage | undefined
    adopt(image: {
      digest: string
      config: ImageConfig
      rootfs: string
      source: string
    }): Promise<StoredImage>
    list(): StoredImage[]
  }
  readonly trees: {
    has(digest: string): boolean
    path(digest: string): string
    adopt(digest: string, directory: string): Promise<void>
  }
  readonly results: {
    get(digest: string): StoredResult | undefined
    adopt(result: { digest: string; upper: string; logs: string; exitCode: number }): Promise<StoredResult>
    remove(digest: string): Promise<void>
  }
  readonly volumes: {
    /** The volume's directory, made on first use. */
    path(name: string): string
    list(): string[]
  }
  /** @throws MoorageError DISK_LOW when less than what a run needs is free */
  ensureSpace(): Promise<void>
  close(): Promise<void>
}

/** With less than this free, nothing new is begun. */
const neededFree = 64 * 1024 * 1024

/**
 * Opens the store of a state directory, making it if need be, and removes what a crash left half-done.
 *
 * @throws MoorageError DISK_LOW, DISK_FULL
 */
export async function openStore(directory: string): Promise<Store> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await ensureSpace(directory)
  try {
    const index = openIndex(directory)
    try {
      return await assemble(directory, index)
    } catch (error) {
      index.close()
      throw error
    }
  } catch (error) {
    // SQLITE_FULL
    if ((error as { errcode?: number }).errcode === 13) {
      throw new MoorageError('DISK_FULL', { what: 'the index', path: directory }, { cause: error })
    }
    throw asMoorageError(error)
  }
}

async function assemble(directory: string, index: DatabaseSync): Promise<Store> {
  const temporaries = join(directory, 'tmp')
  const volumes = join(directory, 'volumes')
  await rm(temporaries, { recursive: true, force: true })
  await mkdir(temporaries, { mode: 0o700 })
  await mkdir(volumes, { recursive: true, mode: 0o700 })
  const kept = {
    images: new KeptDirectories(join(directory, 'images')),
    trees: new KeptDirectories(join(directory, 'trees')),
    results: new KeptDirectories(join(directory, 'results')),
  }
  for (const table of ['images', 'trees', 'results'] as const) {
    const rows = index.prepare(`SELECT directory FROM ${table}`).all() as { directory: string }[]
    const lost = await kept[table].sweep(rows.map((row) => row.directory))
    for (const name of lost) index.prepare(`DELETE FROM ${table} WHERE directory = ?`).run(name)
  }

  const statements = {
    pin: index.prepare('SELECT digest, pinnedAt FROM pins WHERE ref = ?'),
    setPin: index.prepare('INSERT OR REPLACE INTO pins VALUES (?, ?, ?)'),
    image: index.prepare('SELECT * FROM images WHERE digest = ?'),
    images: index.prepare('SELECT * FROM images ORDER BY createdAt'),
    addImage: index.prepare('INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?)'),
    tree: index.prepare('SELECT digest FROM trees WHERE digest = ?'),
    addTree: index.prepare('INSERT OR REPLACE INTO trees VALUES (?, ?, ?)'),
    result: index.prepare('SELECT * FROM results WHERE digest = ?'),
    addResult: index.prepare('INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)'),
    removeResult: index.prepare('DELETE FROM results WHERE digest = ?'),
  }
  const imageOf = (row: ImageRow): StoredImage => ({
    digest: row.digest,
    rootfs: kept.images.path(row.directory),
    config: JSON.parse(row.config) as ImageConfig,
    source: row.source,
    createdAt: row.createdAt,
  })
  const resultOf = ({ digest, directory: name, exitCode, createdAt }: ResultRow): StoredResult => {
    const place = kept.results.path(name)
    return { digest, layer: join(place, 'layer'), logs: join(place, 'logs'), exitCode, createdAt }
  }
  const temporary = () => mkdtemp(join(temporaries, 't-'))

  const close = async () => {
    index.close()
    await rm(temporaries, { recursive: true, force: true })
  }

  return {
    directory,
    instance: instanceOf(directory),
    temporary,
    images: {
      pin: (ref) => statements.pin.get(ref) as unknown as Pin | undefined,
      setPin: (ref, digest) => void statements.setPin.run(ref, digest, Date.now()),
      get(digest) {
        const row = statements.image.get(digest) as unknown as ImageRow | undefined
        return row && imageOf(row)
      },
      async adopt({ digest, config, rootfs, source }) {
        const name = directoryName(digest)
        await kept.images.adopt(name, rootfs)
        const row = { digest, directory: name, config: JSON.stringify(config), source, createdAt: Date.now() }
        statements.addImage.run(row.digest, row.directory, row.config, row.source, row.createdAt)
        return imageOf(row)
      },
      list: () => (statements.images.all() as unknown as ImageRow[]).map(imageOf),
    },
    trees: {
      has: (digest) => statements.tree.get(digest) !== undefined,
      path: (digest) => kept.trees.path(directoryName(digest)),
      async adopt(digest, tree) {
        await kept.trees.adopt(directoryName(digest), tree)
        statements.addTree.run(digest, directoryName(digest), Date.now())
      },
    },
    results: {
      get(digest) {
        const row = statements.result.get(digest) as unknown as ResultRow | undefined
        return row && resultOf(row)
      },
      async adopt({ digest, upper, logs, exitCode }) {
        const whole = await temporary()
        await rename(upper, join(whole, 'layer'))
        await rename(logs, join(whole, 'logs'))
        const name = directoryName(digest)
        await kept.results.adopt(name, whole)
        const row = { digest, directory: name, exitCode, createdAt: Date.now() }
        statements.addResult.run(row.digest, row.directory, row.exitCode, row.createdAt)
        return resultOf(row)
      },
      async remove(digest) {
        statements.removeResult.run(digest)
        await kept.results.remove(directoryName(digest))
      },
    },
    volumes: {
      path(name) {
        const place = join(volumes, name)
        mkdirSync(place, { recursive: true, mode: 0o755 })
        return place
      },
      list: () => readdirSync(volumes).sort(),
    },
    ensureSpace: () => ensureSpace(directory),
    close,
    [Symbol.asyncDispose]: close,
  }
}

interface ImageRow {
  digest: string
  directory: string
  config: string
  source: string
  createdAt: number
}

interface ResultRow {
  digest: string
  directory: string
  exitCode: number
  createdAt: number
}

async function ensureSpace(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory)
  const free = bavail * bsize
  if (free >= neededFree) return
  const mebibytes = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`
  throw new MoorageError('DISK_LOW', {
    free: mebibytes(free),
    path: directory,
    needed: mebibytes(neededFree),
  })
}
