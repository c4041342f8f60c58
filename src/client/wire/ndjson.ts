/** The longest line that is accepted, in bytes: 16 MiB of output with every byte escaped. */
const longestLine = 128 * 1024 * 1024

const newline = 0x0a

/** The lines of a stream of bytes that are not empty; bytes behind the last line's end are dropped. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  // The pieces are joined when a line is whole: a long one comes in hundreds of them.
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
