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
    for (let end = data.indexOf(10); end !== -1; end = data.indexOf(10, start)) {
      this.#take(data.subarray(start, end))
      lines.push(...this.rest())
      this.#skipping = false
      start = end + 1
    }
    this.#take(data.subarray(start))
    if (this.#piece.length === longestLine) {
      lines.push(...this.rest())
      this.#skipping = true
    }
    return lines
  }

  /** Returns the last line if nothing has ended it. */
  rest(): string[] {
    if (this.#piece.length === 0) return []
    const line = this.#piece.toString().replace(/\r$/, '')
    this.#piece = Buffer.alloc(0)
    return [line]
  }

  #take(bytes: Buffer): void {
    if (this.#skipping || bytes.length === 0) return
    const room = longestLine - this.#piece.length
    this.#piece = Buffer.concat([this.#piece, bytes.subarray(0, room)])
  }
}
