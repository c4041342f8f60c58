import { once } from 'node:events'
import type { OutputEvent } from '../../client/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { Style, Terminal } from '../terminal.ts'

type Stream = OutputEvent['stream']

export interface LogPrinter {
  /** Resolves when the reader has room for more. */
  write(output: Pick<OutputEvent, 'stream' | 'time' | 'data'>): Promise<void>
  /** Writes a last line that has no end. */
  end(): Promise<void>
}

/** Bytes of the longest line that is put together; a longer one is cut into lines of this length. */
const longestLine = 1024 * 1024

/** Prints output byte for byte, each stream to its own. */
export function rawPrinter(): LogPrinter {
  return {
    write: ({ stream, data }) => write(streamOf(stream), data),
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
    return write(to, `${terminal.style(style, name.padEnd(width), to)} | ${line}\n`)
  }, pattern)
}

/** Prints the lines that match, as they are. */
export function matchingPrinter(pattern: RegExp): LogPrinter {
  return linePrinter((stream, line) => write(streamOf(stream), `${line}\n`), pattern)
}

/** Prints each line as a JSON document. */
export function documentPrinter(terminal: Terminal, id?: string, pattern?: RegExp): LogPrinter {
  return linePrinter(async (stream, line, time) => {
    terminal.document({ type: 'log', ...withoutUndefined({ id }), time, stream, line }, { line: true })
  }, pattern)
}

/** Cuts output into lines: its pieces end anywhere, even within a character. */
function linePrinter(
  print: (stream: Stream, line: string, time: number) => Promise<void>,
  pattern?: RegExp,
): LogPrinter {
  /** The beginning of each stream's last line, and when it came. */
  const rests = new Map<Stream, { parts: Buffer[]; length: number; time: number }>()
  const show = async (stream: Stream, bytes: Buffer, time: number) => {
    const line = bytes.toString()
    if (pattern?.test(line) ?? true) await print(stream, line, time)
  }
  return {
    async write({ stream, data, time }) {
      let begin = 0
      let rest = rests.get(stream)
      for (let end = data.indexOf(0x0a); end !== -1; end = data.indexOf(0x0a, begin)) {
        const last = data.subarray(begin, end)
        await show(stream, rest ? Buffer.concat([...rest.parts, last]) : last, rest?.time ?? time)
        rests.delete(stream)
        rest = undefined
        begin = end + 1
      }
      if (begin === data.length) return
      rest ??= { parts: [], length: 0, time }
      rest.parts.push(Buffer.from(data.subarray(begin)))
      rest.length += data.length - begin
      rests.set(stream, rest)
      if (rest.length < longestLine) return
      rests.delete(stream)
      await show(stream, Buffer.concat(rest.parts), rest.time)
    },
    async end() {
      for (const [stream, { parts, time }] of rests) await show(stream, Buffer.concat(parts), time)
      rests.clear()
    },
  }
}

function streamOf(name: Stream): NodeJS.WriteStream {
  return name === 'stdout' ? process.stdout : process.stderr
}

async function write(stream: NodeJS.WriteStream, data: string | Buffer): Promise<void> {
  if (!stream.write(data)) await once(stream, 'drain')
}
