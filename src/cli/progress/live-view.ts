import { stripVTControlCharacters } from 'node:util'
import type { ProgressEvent } from '../../definition/index.ts'
import { writeData } from '../standard-streams.ts'
import { printable, type Style, type Terminal } from '../terminal.ts'
import { fit } from './columns.ts'
import { drawSteps } from './draw-steps.ts'
import type { ProgressView } from './progress-view.ts'
import { Screen } from './screen.ts'
import { Steps } from './steps.ts'

/** Nothing is drawn for a call that is over sooner, in milliseconds. */
const patience = 150

/** Interval of redrawing, in milliseconds. */
const frameInterval = 100

/** Bytes of a line without an end that are held back; until then it is shown below the others. */
const longestLine = 64 * 1024

/** Shows the steps as a tree on the terminal of stderr, redrawn in place; output goes above it, byte for byte. */
export function liveView(terminal: Terminal): ProgressView {
  const steps = new Steps()
  const style = (name: Style, text: string) => terminal.style(name, text, process.stderr)
  const unicode = /utf-?8/i.test(process.env.LC_ALL || process.env.LC_CTYPE || process.env.LANG || '')
  const rests = new Map<NodeJS.WriteStream, Buffer>()
  let ended = false

  const screen = new Screen(process.stderr, () => schedule(0))
  const draw = (height = screen.size.height - 1) => {
    const { width } = screen.size
    const open = [...rests.values()]
      .map((rest) => fit(printable(visibleEnd(rest)), width - 1))
      .filter(Boolean)
    const room = Math.max(1, height - open.length)
    const tree = drawSteps(steps.all, { width, height: room, now: Date.now(), style, unicode })
    const lines = [...open, ...tree]
    screen.draw(lines, lines.map(stripVTControlCharacters))
  }

  let timer: NodeJS.Timeout | undefined
  const tick = () => {
    timer = undefined
    if (ended) return
    if (steps.all.length > 0) draw()
    schedule(frameInterval)
  }
  const schedule = (after: number) => {
    if (ended) return
    clearTimeout(timer)
    timer = setTimeout(tick, after)
  }
  schedule(patience)

  // Ctrl-Z gives the shell its cursor and its lines back; `fg` draws again.
  const onStop = () => {
    screen.erase()
    process.stderr.write('\x1b[?25h')
    process.kill(process.pid, 'SIGSTOP')
  }
  const onContinue = () => {
    process.stderr.write('\x1b[?25l')
    schedule(0)
  }
  process.on('SIGTSTP', onStop)
  process.on('SIGCONT', onContinue)

  const close = () => {
    ended = true
    clearTimeout(timer)
    process.off('SIGTSTP', onStop)
    process.off('SIGCONT', onContinue)
  }

  return {
    event: (event: ProgressEvent) => steps.apply(event),

    async output({ stream, data: bytes }) {
      const to = stream === 'stdout' ? process.stdout : process.stderr
      if (!to.isTTY) return write(to, bytes)
      const whole = Buffer.concat([rests.get(to) ?? Buffer.alloc(0), bytes])
      const cut = whole.lastIndexOf(0x0a) + 1
      const lines = whole.length - cut > longestLine ? whole : whole.subarray(0, cut)
      rests.set(to, whole.subarray(lines.length))
      if (lines.length === 0) return
      // The next tick draws again, so that fast output is not interrupted by a tree for each piece.
      screen.erase()
      await write(to, lines)
    },

    note(line) {
      screen.erase()
      terminal.talk(`moorage: ${line}`)
    },

    async end({ failed }) {
      if (ended) return
      close()
      screen.erase()
      for (const [to, rest] of rests) await write(to, rest)
      rests.clear()
      // The step that failed stays in sight.
      if (failed && steps.all.length > 0) draw(Number.MAX_SAFE_INTEGER)
      screen.close()
    },
  }
}

/** Returns what is seen of a line that overwrites itself, such as a progress bar. */
function visibleEnd(rest: Buffer): string {
  const text = stripVTControlCharacters(rest.toString())
  return text.split('\r').findLast((part) => part !== '') ?? ''
}

async function write(to: NodeJS.WriteStream, bytes: Buffer): Promise<void> {
  if (bytes.length > 0) await writeData(to, bytes)
}
