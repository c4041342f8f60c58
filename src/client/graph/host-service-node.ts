import type { HostPort, HostServiceOperation } from '../../definition/index.ts'
import type { Node } from './graph.ts'

/** Ports of the daemon's host as a service. */
export class HostServiceNode implements Node {
  readonly inputs: readonly Node[] = []
  readonly #ports: readonly HostPort[]

  constructor(ports: readonly HostPort[]) {
    this.#ports = ports
  }

  operation(): HostServiceOperation {
    return { op: 'hostService', ports: [...this.#ports] }
  }
}
