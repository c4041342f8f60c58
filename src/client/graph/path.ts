import { normalPath, pathProblem } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'

/** @throws MoorageError INVALID_OPTION */
export function checkPath(what: string, path: string): void {
  const reason = pathProblem(path)
  if (reason !== undefined) throw new MoorageError('INVALID_OPTION', { option: `${what} "${path}"`, reason })
}

/** An absolute path in a container. @throws MoorageError INVALID_OPTION */
export function containerPath(what: string, path: string): string {
  checkPath(what, path)
  return normalPath(path)
}

/** A path from the root of a directory; it may begin with a slash or not. @throws MoorageError INVALID_OPTION */
export function pathWithin(what: string, path: string): string {
  return containerPath(what, path.startsWith('/') ? path : `/${path}`)
}
