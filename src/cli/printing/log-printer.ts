import { isUtf8 } from 'node:buffer'
import type { OutputEvent } from '../../client/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { writeData } from '../standard-streams.ts'
import type { Style, Terminal } from '../terminal.ts'

type Stream = OutputEvent['stream']

export interface LogPrinter {
  /** Resolves when the reader has room for more. */
  write(output: Pick<OutputEvent, 'stream' | 'time' | 'data'>): Promise<void>
  /** Writes a last line that has no end. */
  end(): Promise<void>
}

/** Bytes of the longest line that is put together; a longer one is cut into lines of about this length. */
const longestLine = 1024 * 1024

/** Prints output byte for byte, each stream to its own. */
export function rawPrinter(): LogPrinter {
  return {
    write: ({ stream, data }) => writeData(streamOf(stream), data),
    end: async () => undefined,
  }
}

const prefixStyles: readonly Style[] = ['cyan', 'magenta', 'blue', 'yellow', 'green']

/** Prints lines with the name before them, for several logs at once; a name always has the same colour. */
export function prefixPrinter(terminal: Terminal, name: string, width: number, pattern?: RegExp): LogPrinter {
  const sum = [...name].reduce((total, character) => total + character.charCodeAt(0), 0)
  const style = prefixStyles[sum % prefixStyles.length] as Style
  return linePrinter((stream, line) => {
    const to = streamOf(stream)
    const prefix = `${terminal.style(style, name.padEnd(width), to)} | `
    return writeData(to, Buffer.concat([Buffer.from(prefix), line, newline]))
  }, pattern)
}

/** Prints the lines that match, byte for byte. */
export function matchingPrinter(pattern: RegExp): LogPrinter {
  return linePrinter((stream, line) => writeData(streamOf(stream), Buffer.concat([line, newline])), pattern)
}

/** Prints each line as a JSON document. One that is no UTF-8, which JSON cannot hold, comes in base64 besides. */
export function documentPrinter(terminal: Terminal, id?: string, pattern?: RegExp): LogPrinter {
  return linePrinter((stream, bytes, time) => {
    const line = bytes.toString()
    const base64 = isUtf8(bytes) ? undefined : bytes.toString('base64')
    return terminal.document(
      { type: 'log', ...withoutUndefined({ id }), time, stream, line, ...withoutUndefined({ base64 }) },
      { line: true },
    )
  }, pattern)
}

const newline = Buffer.from('\n')

/** Cuts output into lines: its pieces end anywhere, even within a character. */
function linePrinter(
  print: (stream: Stream, line: Buffer, time: number) => Promise<void>,
  pattern?: RegExp,
): LogPrinter {
  /** The beginning of each stream's last line, and when it came. */
  const rests = new Map<Stream, { parts: Buffer[]; length: number; time: number }>()
  const show = async (stream: Stream, line: Buffer, time: number) => {
    if (pattern?.test(line.toString()) ?? true) await print(stream, line, time)
  }
  /** Shows the beginning of a line that is too long. @returns the rest, which is never empty */
  const showLong = async (stream: Stream, line: Buffer, time: number) => {
    let rest = line
    while (rest.length > longestLine) {
      const end = characterStart(rest, longestLine)
      await show(stream, rest.subarray(0, end), time)
      rest = rest.subarray(end)
    }
    return rest
  }
  return {
    async write({ stream, data, time }) {
      let begin = 0
      let rest = rests.get(stream)
      for (let end = data.indexOf(0x0a); end !== -1; end = data.indexOf(0x0a, begin)) {
        const last = data.subarray(begin, end)
        const line = rest ? Buffer.concat([...rest.parts, last]) : last
        const began = rest?.time ?? time
        rests.delete(stream)
        rest = undefined
        begin = end + 1
        await show(stream, await showLong(stream, line, began), began)
      }
      if (begin === data.length) return
      rest ??= { parts: [], length: 0, time }
      rest.parts.push(Buffer.from(data.subarray(begin)))
      rest.length += data.length - begin
      rests.set(stream, rest)
      if (rest.length <= longestLine) return
      const left = await showLong(stream, Buffer.concat(rest.parts), rest.time)
      rests.set(stream, { parts: [left], length: left.length, time: rest.time })
    },
    async end() {
      const last = [...rests]
      rests.clear()
      for (const [stream, { parts, time }] of last) await show(stream, Buffer.concat(parts), time)
    },
  }
}

/** Returns the offset, at most `end`, at which a character of UTF-8 begins; `end` itself where there is no UTF-8. */
function characterStart(bytes: Buffer, end: number): number {
  for (let at = end; at > end - 4; at -= 1) if (((bytes[at] ?? 0) & 0xc0) !== 0x80) return at
  return end
}

function streamOf(name: Stream): NodeJS.WriteStream {
  return name === 'stdout' ? process.stdout : process.stderr
}
