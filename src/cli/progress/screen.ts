import { columns } from './columns.ts'

/** What a screen needs of a terminal: `process.stderr` is one. */
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
/** Shown as a whole, where the terminal knows how: no flicker. */
const [begin, end] = ['\x1b[?2026h', '\x1b[?2026l']

/**
 * The last lines of a terminal, drawn again and again in place, with whatever else is written above them. It knows how
 * many rows they take, also after the terminal became narrower and broke them.
 */
export class Screen {
  readonly #stream: ScreenStream
  #drawn: string[] = []
  #hidden = false
  readonly #onResize: () => void
  readonly #onExit = () => this.#restore()

  /** @param onResize - told when lines of another width are wanted */
  constructor(stream: ScreenStream, onResize: () => void) {
    this.#stream = stream
    this.#onResize = onResize
    stream.on('resize', this.#onResize)
    // However the process ends: the cursor comes back.
    process.on('exit', this.#onExit)
  }

  get size(): { width: number; height: number } {
    return { width: this.#stream.columns || 80, height: this.#stream.rows || 24 }
  }

  /** Draws the lines, plain text of each beside it, since colours take no columns. */
  draw(lines: readonly string[], plain: readonly string[]): void {
    const hide = this.#hidden ? '' : hideCursor
    this.#hidden = true
    const text = lines.map((line) => `${line}\n`).join('')
    this.#stream.write(`${begin}${hide}${this.#erasing()}${text}${end}`)
    this.#drawn = [...plain]
  }

  /** Takes the lines away, so that something can be written where they stood. */
  erase(): void {
    if (this.#drawn.length === 0) return
    this.#stream.write(this.#erasing())
    this.#drawn = []
  }

  /** The end: the lines stay as they are, or are taken away before; the cursor comes back. */
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
