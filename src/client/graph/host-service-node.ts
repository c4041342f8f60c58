import type { HostPort } from '../../definition/index.ts'
import type { Node } from './graph.ts'

/** Ports of the daemon's host as a service. */
export function hostServiceNode(ports: readonly HostPort[]): Node {
  return { inputs: [], operation: () => ({ op: 'hostService', ports: [...ports] }) }
}
