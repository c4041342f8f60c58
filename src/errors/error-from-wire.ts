import { withoutUndefined } from '../without-undefined.ts'
import { catalogue } from './catalogue.ts'
import { type MoorageError, moorageError, type WireError } from './moorage-error.ts'

/**
 * Makes an object again of an error that a daemon sent; a code that only a newer daemon knows becomes INTERNAL.
 *
 * @param options.complete - true for a user's program: the message then says all that a test runner should show
 */
export function errorFromWire(
  { code, message, details = {}, cause }: WireError,
  { complete = false }: { complete?: boolean } = {},
): MoorageError {
  return moorageError(
    Object.hasOwn(catalogue, code) ? code : 'INTERNAL',
    details,
    withoutUndefined({ message, complete, cause: cause === undefined ? undefined : new Error(cause) }),
  )
}
