import type { Definition, Operation } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'

/**
 * Refuses services that wait for each other to start. A definition names earlier operations only, so that such a circle
 * cannot be described by the SDK; who writes one by hand is told which it is.
 *
 * @throws MoorageError START_CYCLE with the path
 */
export function refuseStartCycles({ ops }: Definition): void {
  // Circles need an operation that names a later one: that is rare, and refused in any case.
  if (!ops.some((op, index) => boundBy(op).some((bound) => bound >= index))) return
  const done = new Set<number>()
  const visit = (index: number, path: readonly number[]): void => {
    const at = path.indexOf(index)
    if (at !== -1) {
      const circle = [...path.slice(at), index].map((one) => nameOf(ops[one], one))
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
