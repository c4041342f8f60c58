import type { ExposedPort, HealthCheck } from '../../definition/index.ts'
import type { DescribedBinding, DescribedMount, ExecFields, ExecNode } from '../graph/exec-node.ts'
import { scratchNode } from '../graph/filesystem-nodes.ts'
import type { Node } from '../graph/graph.ts'

/** A container as it is described so far. */
export interface ContainerState {
  readonly filesystem: Node
  readonly platform: string | undefined
  readonly lastExec: ExecNode | undefined
  readonly process: ExecFields
  readonly mounts: readonly DescribedMount[]
  readonly bindings: readonly DescribedBinding[]
  readonly ports: readonly ExposedPort[]
  readonly healthcheck: 'none' | undefined
  readonly checks: readonly HealthCheck[]
  readonly stopSignal: string | undefined
}

export const emptyContainer: ContainerState = {
  filesystem: scratchNode(),
  platform: undefined,
  lastExec: undefined,
  process: {},
  mounts: [],
  bindings: [],
  ports: [],
  healthcheck: undefined,
  checks: [],
  stopSignal: undefined,
}
