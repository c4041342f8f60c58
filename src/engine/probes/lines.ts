/** Number of bytes of a line that are looked at: a line without an end must not fill the memory. */
export const longestLine = 8 * 1024

/** Cuts one stream of output into lines. */
export class Lines {
  #piece = Buffer.alloc(0)
  /** The first part of a line that is too long has been returned: the rest of the line is passed over. */
  #skipping = false

  /** Returns the lines that end in this piece of output. */
  add(data: Buffer): string[] {
    const lines: string[] = []
    let start = 0
    for (let at = 0; at < data.length; at += 1) {
      // A carriage return ends a line of a progress bar; before a newline it leaves an empty line, which counts as none.
      if (data[at] !== 10 && data[at] !== 13) continue
      this.#take(data.subarray(start, at))
      lines.push(...this.rest())
      this.#skipping = false
      start = at + 1
    }
    this.#take(data.subarray(start))
    if (this.#piece.length === longestLine) {
      lines.push(...this.rest())
      this.#skipping = true
    }
    return lines
  }

  /** The present line, which nothing has ended yet; empty if there is none. */
  get unfinished(): string {
    return this.#piece.toString()
  }

  /** Returns the last line if nothing has ended it. */
  rest(): string[] {
    if (this.#piece.length === 0) return []
    const line = this.#piece.toString()
    this.#piece = Buffer.alloc(0)
    return [line]
  }

  #take(bytes: Buffer): void {
    if (this.#skipping || bytes.length === 0) return
    const room = longestLine - this.#piece.length
    this.#piece = Buffer.concat([this.#piece, bytes.subarray(0, room)])
  }
}
