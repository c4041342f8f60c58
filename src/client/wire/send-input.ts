import type { ClientRequest } from 'node:http'
import type { Readable } from 'node:stream'
import { inputType } from '../../definition/index.ts'

/**
 * Sends a request with an input behind it: as it comes, and no further than the daemon takes it.
 *
 * @returns a function that sends no more, because nobody wants it; it destroys the input, so that whoever writes it gets
 *   SIGPIPE
 */
export function sendInput(request: ClientRequest, body: unknown, input: Readable): () => void {
  let isOver = false
  const pass = (chunk: Buffer | string) => {
    if (!request.write(chunk)) input.pause()
  }
  const resume = () => void input.resume()
  const stop = () => {
    if (isOver) return
    isOver = true
    input.off('data', pass).off('end', stop)
    request.off('drain', resume)
    request.end()
    input.destroy()
  }
  request.setHeader('content-type', inputType)
  request.write(`${JSON.stringify(body)}\n`)
  input.on('data', pass)
  input.on('end', stop)
  // Not as if it had come to its end: the command must not take it for all.
  input.on('error', (error) => request.destroy(error))
  request.on('drain', resume)
  request.on('close', stop)
  return stop
}
