import type { Definition, Operation } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'

/**
 * Refuses services that wait for each other to start. A definition names earlier operations only, so the SDK cannot
 * describe such a circle; a definition that was written by hand can, and the error says which circle it is.
 *
 * @throws MoorageError START_CYCLE with the path
 */
export function refuseStartCycles({ ops }: Definition): void {
  // A circle needs an operation that names a later one, which is rare, and is refused by the planning in any case.
  if (!ops.some((op, index) => boundBy(op).some((bound) => bound >= index))) return
  const done = new Set<number>()
  const visit = (index: number, path: readonly number[]): void => {
    const at = path.indexOf(index)
    if (at !== -1) {
      const circle = [...path.slice(at), index].map((step) => nameOf(ops[step], step))
      throw new MoorageError('START_CYCLE', { path: circle.join(' -> ') })
    }
    if (done.has(index)) return
    const op = ops[index]
    if (op !== undefined) for (const bound of boundBy(op)) visit(bound, [...path, index])
    done.add(index)
  }
  for (const index of ops.keys()) visit(index, [])
}

function boundBy(op: Operation): number[] {
  return op.op === 'exec' || op.op === 'http' ? (op.bindings ?? []).map(({ service }) => service.exec) : []
}

function nameOf(op: Operation | undefined, index: number): string {
  if (op?.op !== 'exec') return `operation ${index}`
  return op.hostname ?? op.args?.join(' ') ?? `operation ${index}`
}
