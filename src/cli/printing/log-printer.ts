import { once } from 'node:events'
import type { OutputEvent } from '../../client/index.ts'
import type { Style, Terminal } from '../terminal.ts'

type Stream = OutputEvent['stream']

export interface LogPrinter {
  /** Resolves when the reader has room for more. */
  write(output: Pick<OutputEvent, 'stream' | 'time' | 'data'>): Promise<void>
  /** Writes a last line that has no end. */
  end(): Promise<void>
}

/** The longest line that is put together; of a longer one this much at a time is a line. */
const longestLine = 1024 * 1024

/** What a container wrote, byte for byte, each stream where it belongs. */
export function rawPrinter(): LogPrinter {
  return {
    write: ({ stream, data }) => write(streamOf(stream), data),
    end: async () => undefined,
  }
}

const prefixStyles: readonly Style[] = ['cyan', 'magenta', 'blue', 'yellow', 'green']

/** Lines with the name before them, for several at once; a name keeps its colour, whoever else is shown. */
export function prefixPrinter(terminal: Terminal, name: string, width: number, wanted?: RegExp): LogPrinter {
  const sum = [...name].reduce((total, character) => total + character.charCodeAt(0), 0)
  const style = prefixStyles[sum % prefixStyles.length] as Style
  return linePrinter((stream, line) => {
    const to = streamOf(stream)
    return write(to, `${terminal.style(style, name.padEnd(width), to)} | ${line}\n`)
  }, wanted)
}

/** The lines that match, as they are. */
export function matchingPrinter(wanted: RegExp): LogPrinter {
  return linePrinter((stream, line) => write(streamOf(stream), `${line}\n`), wanted)
}

/** A JSON document a line. */
export function documentPrinter(terminal: Terminal, id?: string, wanted?: RegExp): LogPrinter {
  return linePrinter(async (stream, line, time) => {
    terminal.document(
      { type: 'log', ...(id === undefined ? {} : { id }), time, stream, line },
      { line: true },
    )
  }, wanted)
}

/** Cuts what was written into lines: pieces end anywhere, within a character too. */
function linePrinter(
  print: (stream: Stream, line: string, time: number) => Promise<void>,
  wanted?: RegExp,
): LogPrinter {
  /** Of each stream, what of its last line has come, and when that began. */
  const rests = new Map<Stream, { parts: Buffer[]; length: number; time: number }>()
  const show = async (stream: Stream, bytes: Buffer, time: number) => {
    const line = bytes.toString()
    if (wanted?.test(line) ?? true) await print(stream, line, time)
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
