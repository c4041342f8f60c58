import type { IncomingMessage } from 'node:http'
import { MoorageError } from '../../errors/index.ts'

/**
 * Gives up a stream when the daemon sends nothing for `silence` milliseconds: it fails with DAEMON_UNREACHABLE.
 *
 * @returns the watch, which ends when it is disposed of
 */
export function watchSilence(response: IncomingMessage, host: string, silence: number): Disposable {
  const { socket } = response
  let isOver = false
  const onTimeout = () => {
    const { bytesRead } = socket
    // Only after the next poll of the socket: a program that was busy, or a machine that slept, has not read it.
    setImmediate(() => {
      if (isOver) return
      // Bytes that a slow reader has not taken yet say nothing about the daemon.
      if (socket.bytesRead > bytesRead || response.readableLength > 0) return watch()
      const reason = `nothing was heard of it for ${silence / 1_000} s`
      response.destroy(new MoorageError('DAEMON_UNREACHABLE', { host, reason }))
    })
  }
  // The socket calls it once, after so long without traffic in either direction.
  const watch = () => void socket.setTimeout(silence, onTimeout)
  watch()
  return {
    [Symbol.dispose]() {
      isOver = true
      socket.off('timeout', onTimeout)
      socket.setTimeout(0)
    },
  }
}
