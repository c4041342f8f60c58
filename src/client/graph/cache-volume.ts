import { type CacheVolumeOperation, volumeNameProblem } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { Node } from './graph.ts'

/** A named directory that outlives runs. */
export class CacheVolume implements Node {
  readonly name: string
  readonly inputs: readonly Node[] = []

  /** @throws MoorageError INVALID_OPTION */
  constructor(name: string) {
    const reason = volumeNameProblem(name)
    if (reason !== undefined) throw new MoorageError('INVALID_OPTION', { option: `volume "${name}"`, reason })
    this.name = name
  }

  operation(): CacheVolumeOperation {
    return { op: 'cacheVolume', name: this.name }
  }
}
