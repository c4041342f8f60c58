import { MoorageError } from '../../errors/index.ts'

/** For what the contract names and this version lacks. */
export function notYet(what: string): never {
  throw new MoorageError('NOT_YET', { what })
}
