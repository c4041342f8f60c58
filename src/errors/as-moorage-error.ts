import { MoorageError } from './moorage-error.ts'
import { causeText } from './sentence.ts'

/**
 * Turns anything thrown into an error of the catalogue: a full disk and an abort have codes of their own, the rest is
 * INTERNAL. The thrown value is the cause.
 */
export function asMoorageError(thrown: unknown): MoorageError {
  if (thrown instanceof MoorageError) return thrown
  const code = (thrown as NodeJS.ErrnoException | null)?.code
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const { path = '', syscall = '' } = thrown as NodeJS.ErrnoException
    const what = syscall.startsWith('mkd') ? 'a new directory' : 'a file'
    return new MoorageError('DISK_FULL', { what, path }, { cause: thrown })
  }
  // Of src/kernel and of moorage/netns, which know nothing of this catalogue.
  if (code === 'UNSUPPORTED_HOST')
    return new MoorageError('HOST_UNSUPPORTED', { reason: causeText(thrown) }, { cause: thrown })
  if ((thrown as Error | null)?.name === 'AbortError') {
    return new MoorageError('CANCELLED', { reason: 'by the caller' }, { cause: thrown })
  }
  return new MoorageError('INTERNAL', { reason: causeText(thrown) }, { cause: thrown })
}
