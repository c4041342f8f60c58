/** The longest that one line may be: 16 MiB of output, every byte of it escaped. */
const longestLine = 128 * 1024 * 1024

const newline = 0x0a

/** The lines of a stream of bytes; what is behind the last line's end is dropped. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  // Joined only once a line is whole: a long one comes in hundreds of pieces.
  let pieces: Buffer[] = []
  let size = 0
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(newline)
    if (end === -1) {
      pieces.push(chunk)
      size += chunk.length
      if (size > longestLine) throw new Error(`it sent a line of more than ${longestLine} bytes`)
      continue
    }
    const text = Buffer.concat([...pieces, chunk.subarray(0, end)]).toString()
    pieces = [chunk.subarray(end + 1)]
    size = chunk.length - end - 1
    for (const line of text.split('\n')) if (line !== '') yield line
  }
}
