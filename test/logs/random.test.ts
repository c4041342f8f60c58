import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, renameSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { followLog, type LogSlice, openLogDirectory } from '../../src/logs/index.ts'
import { removeTree } from '../remove-tree.ts'
import { random } from './random.ts'
import { pieces, planOf } from './random-writer.ts'

/** MOORAGE_SEED repeats one seed; MOORAGE_LONG=1 tries many. */
const first = Number(process.env.MOORAGE_SEED ?? Math.floor(Math.random() * 1e9))
const rounds = process.env.MOORAGE_SEED ? 1 : process.env.MOORAGE_LONG ? 200 : 6
const headerLength = 13

t.setTimeout(rounds * 120_000)

/** The whole log as it would be on an endless disk, and the offsets of its frames. */
function wholeLog(seed: number): { bytes: Buffer; begins: Set<number> } {
  const { limit } = planOf(seed)
  // Data that is longer than a quarter of a segment is cut into several frames.
  const most = Math.min(4 * 1024 * 1024, Math.max(64 * 1024, Math.floor(limit / 16))) / 4
  const parts: Buffer[] = []
  const begins = new Set<number>()
  let length = 0
  for (const { stream, data, time } of pieces(seed)) {
    for (let at = 0; at < data.length; at += most - headerLength) {
      const part = data.subarray(at, at + most - headerLength)
      const header = Buffer.alloc(headerLength)
      header.writeUInt32LE(part.length, 0)
      header.writeUInt8(stream === 'stdout' ? 1 : 2, 4)
      header.writeDoubleLE(time, 5)
      begins.add(length)
      parts.push(header, part)
      length += headerLength + part.length
    }
  }
  return { bytes: Buffer.concat(parts), begins }
}

/** Compares a reader's slices with the whole log: nothing twice, nothing missing without a gap, nothing else. */
class Witness {
  readonly whole: Buffer
  reached: number
  missing = 0
  problem: string | undefined

  constructor(whole: Buffer, reached: number) {
    this.whole = whole
    this.reached = reached
  }

  see(piece: LogSlice): void {
    if (piece.offset !== this.reached) this.#wrong(`a piece at ${piece.offset}`)
    if ('missing' in piece) {
      this.missing += piece.missing
      this.reached += piece.missing
    } else {
      const end = piece.offset + piece.bytes.length
      if (!this.whole.subarray(piece.offset, end).equals(piece.bytes))
        this.#wrong(`other bytes before ${end}`)
      this.reached = end
    }
  }

  #wrong(what: string): void {
    this.problem ??= `${what}, after ${this.reached}`
  }
}

for (let round = 0; round < rounds; round += 1) {
  const seed = first + round * 10
  t.test(`a random log, written and read at once (MOORAGE_SEED=${seed})`, { timeout: 120_000 }, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'moorage-random-log-'))
    const moved = `${directory}-moved`
    t.teardown(() => {
      for (const path of [directory, moved]) removeTree(path)
    })
    const next = random(seed + 3)
    const { limit } = planOf(seed)
    const { bytes: whole, begins } = wholeLog(seed)
    // Held open, as the engine does: readers go on when the directory is moved.
    using log = openLogDirectory(directory)
    const writer = spawn(
      process.execPath,
      [join(import.meta.dirname, 'random-writer.ts'), directory, String(seed)],
      { stdio: 'inherit' },
    )
    const exited = once(writer, 'exit')
    const ended = new AbortController()

    const reader = async (name: string, from: number, laziness: number, after: number) => {
      await turns(after)
      const witness = new Witness(whole, from)
      const signal = AbortSignal.timeout(100_000)
      const options = { signal, ended: ended.signal, ...(from > 0 ? { from } : {}) }
      for await (const piece of followLog(log.path, options)) {
        if (from > 0 && 'bytes' in piece && witness.reached === from && !begins.has(from)) {
          // The rest of a frame begins with a header that is not in the log.
          const inHeader =
            begins.has(frameBefore(begins, from)) && from - frameBefore(begins, from) < headerLength
          const skip = inHeader ? frameBefore(begins, from) + headerLength : from
          witness.reached = skip
          witness.see({ offset: skip, bytes: piece.bytes.subarray(headerLength) })
        } else witness.see(piece)
        await turns(next(1 + laziness))
      }
      t.equal(witness.problem, undefined, name)
      t.equal(witness.reached, Math.max(from, whole.length), `${name}: to the end`)
      return witness
    }
    const readers = [
      reader('a fast follower', 0, 0, 0),
      reader('a slow follower', 0, 300, 0),
      reader('a very slow one', 0, 3_000, next(50)),
      reader('one that comes late', 0, 2, next(500)),
      reader('one that goes on from a frame', [...begins][next(begins.size)] ?? 0, 2, next(200)),
      reader('one that goes on from anywhere', 1 + next(whole.length), 2, next(200)),
    ]
    t.same(await exited, [0, null])
    // The result store moves a log, too, while readers follow it.
    renameSync(directory, moved)
    for (const witness of await Promise.all(readers)) {
      if (whole.length <= limit / 2) t.equal(witness.missing, 0, 'below its limit all of it is kept')
    }
    const size = readdirSync(moved).reduce((sum, name) => sum + statSync(join(moved, name)).size, 0)
    t.ok(size <= limit + headerLength, `${size} bytes on disk of ${limit}`)

    const late = new Witness(whole, 0)
    for await (const piece of followLog(moved)) late.see(piece)
    t.same([late.problem, late.reached], [undefined, whole.length], 'who comes after the end')
    const since = next(planOf(seed).pieces)
    const times: number[] = []
    for await (const piece of followLog(moved, { since })) {
      if ('bytes' in piece) times.push(piece.bytes.readDoubleLE(5))
    }
    t.ok(
      times.every((time) => time >= since),
      'what is older than asked for is left out',
    )
  })
}

function frameBefore(begins: Set<number>, offset: number): number {
  let at = offset
  while (!begins.has(at)) at -= 1
  return at
}

/** Lets other work of the event loop run, so many times. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve))
}
