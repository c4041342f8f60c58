import { once } from 'node:events'
import type { LogEvent } from '../definition/index.ts'
import type { Style, Terminal } from './terminal.ts'

export interface LogPrinter {
  /** Resolves when the reader has room for more. */
  write(event: LogEvent): Promise<void>
  /** Writes a last line that has no end. */
  end(): Promise<void>
}

/** What a container wrote, byte for byte, each stream where it belongs. */
export function rawPrinter(): LogPrinter {
  return {
    write: ({ stream, data }) => write(streamOf(stream), Buffer.from(data, 'base64')),
    end: async () => undefined,
  }
}

const prefixStyles: readonly Style[] = ['cyan', 'magenta', 'blue', 'yellow', 'green']

/** Lines with the name before them, for several at once; a name keeps its colour, whoever else is shown. */
export function prefixPrinter(terminal: Terminal, name: string, width: number): LogPrinter {
  const sum = [...name].reduce((total, character) => total + character.charCodeAt(0), 0)
  const style = prefixStyles[sum % prefixStyles.length] as Style
  return linePrinter((stream, line) => {
    const to = streamOf(stream)
    return write(to, `${terminal.style(style, name.padEnd(width), to)} | ${line}\n`)
  })
}

/** A JSON document a line. */
export function documentPrinter(terminal: Terminal, id?: string): LogPrinter {
  return linePrinter(async (stream, line, time) => {
    terminal.document(
      { type: 'log', ...(id === undefined ? {} : { id }), time, stream, line },
      { line: true },
    )
  })
}

/** Cuts what was written into lines: pieces end anywhere, within a character too. */
function linePrinter(
  print: (stream: LogEvent['stream'], line: string, time: number) => Promise<void>,
): LogPrinter {
  const rests = new Map<LogEvent['stream'], { rest: Buffer; time: number }>()
  return {
    async write({ stream, data, time }) {
      let rest = Buffer.concat([rests.get(stream)?.rest ?? Buffer.alloc(0), Buffer.from(data, 'base64')])
      for (let end = rest.indexOf(0x0a); end !== -1; end = rest.indexOf(0x0a)) {
        await print(stream, rest.subarray(0, end).toString(), time)
        rest = rest.subarray(end + 1)
      }
      rests.set(stream, { rest, time })
    },
    async end() {
      for (const [stream, { rest, time }] of rests) {
        if (rest.length > 0) await print(stream, rest.toString(), time)
      }
      rests.clear()
    },
  }
}

function streamOf(name: LogEvent['stream']): NodeJS.WriteStream {
  return name === 'stdout' ? process.stdout : process.stderr
}

async function write(stream: NodeJS.WriteStream, data: string | Buffer): Promise<void> {
  if (!stream.write(data)) await once(stream, 'drain')
}
