import { MoorageError } from '../../errors/index.ts'
import type { InputStream } from '../../runtime/runtime.ts'
import type { Caller } from '../caller.ts'

/** Returns a caller's input as the runtime takes it; undefined if there is none. */
export function inputOf({ input, onEvent }: Pick<Caller, 'input' | 'onEvent'>): InputStream | undefined {
  return input && { source: input, onUnwanted: () => onEvent({ type: 'inputUnwanted' }) }
}

/** Builds the error for a request with text and a stream, either of which would be the whole standard input. */
export function twoInputs(): MoorageError {
  return new MoorageError('INVALID_REQUEST', {
    reason: 'the command has stdin already, and a stream besides',
  })
}
