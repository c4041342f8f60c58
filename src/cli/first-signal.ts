import { constants } from 'node:os'

/**
 * Resolves at the first SIGINT or SIGTERM, which asks for an orderly end. A second one exits at once: its sender does
 * not want to wait for that.
 */
export function firstSignal(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  let signals = 0
  const onSignal = (signal: NodeJS.Signals) => {
    signals += 1
    if (signals > 1) process.exit(128 + constants.signals[signal])
    resolve(signal)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return promise
}
