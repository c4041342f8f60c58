import { columns } from './columns.ts'

/** The part of a terminal's stream that a screen uses; `process.stderr` is one. */
export interface ScreenStream {
  readonly columns?: number
  readonly rows?: number
  write(text: string | Uint8Array): boolean
  on(event: 'resize', listener: () => void): unknown
  off(event: 'resize', listener: () => void): unknown
}

const hideCursor = '\x1b[?25l'
const showCursor = '\x1b[?25h'
const clearDown = '\x1b[J'
/** Synchronized output: a terminal that knows it shows everything between the two at once, without flicker. */
const [beginUpdate, endUpdate] = ['\x1b[?2026h', '\x1b[?2026l']

/**
 * The last lines of a terminal, redrawn in place, while other text is written above them. The number of rows that they
 * take is known, also after the terminal became narrower and broke them.
 */
export class Screen {
  readonly #stream: ScreenStream
  #drawn: string[] = []
  #hidden = false
  readonly #onResize: () => void
  readonly #onExit = () => this.#restore()

  /** @param onResize - is called when the lines must have another width */
  constructor(stream: ScreenStream, onResize: () => void) {
    this.#stream = stream
    this.#onResize = onResize
    stream.on('resize', this.#onResize)
    // The cursor comes back however the process ends.
    process.on('exit', this.#onExit)
  }

  get size(): { width: number; height: number } {
    return { width: this.#stream.columns || 80, height: this.#stream.rows || 24 }
  }

  /** Draws the lines. @param plain - the same lines without colours, which take no columns */
  draw(lines: readonly string[], plain: readonly string[]): void {
    const hide = this.#hidden ? '' : hideCursor
    this.#hidden = true
    const text = lines.map((line) => `${line}\n`).join('')
    this.#stream.write(`${beginUpdate}${hide}${this.#erasing()}${text}${endUpdate}`)
    this.#drawn = [...plain]
  }

  /** Removes the lines, so that other text can be written in their place. */
  erase(): void {
    if (this.#drawn.length === 0) return
    this.#stream.write(this.#erasing())
    this.#drawn = []
  }

  /** Ends the screen: the lines stay, unless they were erased before; the cursor comes back. */
  close(): void {
    this.#stream.off('resize', this.#onResize)
    process.off('exit', this.#onExit)
    this.#restore()
  }

  #erasing(): string {
    const { width } = this.size
    // A line that is wider than the terminal is now was broken into several.
    const rows = this.#drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(columns(line) / width)), 0)
    return rows === 0 ? '' : `\x1b[${rows}A\r${clearDown}`
  }

  #restore(): void {
    if (!this.#hidden) return
    this.#hidden = false
    this.#stream.write(showCursor)
  }
}
