/**
 * The points at which tests of recovery kill a process: after each step of making and removing a network or a sandbox.
 * Does nothing unless MOORAGE_NETNS_FAULT names the point.
 */
export const faultPoints = [
  'name-claimed',
  'host-prepared',
  'namespace-made',
  'namespace-named',
  'uplink-made',
  'uplink-up',
  'host-routed',
  'bridge-made',
  'rules-applied',
  'network-described',
  'next-bridge-made',
  'sandbox-namespace-made',
  'sandbox-linked',
  'sandbox-configured',
  'sandbox-admitted',
  'sandbox-expelled',
  'sandbox-unrouted',
  'sandbox-links-removed',
  'sandbox-closed',
  'sandboxes-closed',
  'links-removed',
  'namespace-closed',
  'host-released',
  'name-unmounted',
  'name-removed',
  'network-emptied',
  'network-reopened',
  'network-given-up',
] as const

export type FaultPoint = (typeof faultPoints)[number]

const chosen = process.env.MOORAGE_NETNS_FAULT

export function faultPoint(point: FaultPoint): void {
  // The thread dies before it gets back from the call, and the process with it.
  if (chosen === point) process.kill(process.pid, 'SIGKILL')
}
