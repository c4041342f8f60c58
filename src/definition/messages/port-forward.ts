import type { PortForward } from './requests.ts'

/** Returns a port of the host and where it leads, as people read it everywhere: `127.0.0.1:49153->6379/tcp`. */
export function portForwardText({
  address = '127.0.0.1',
  host,
  service,
  protocol = 'tcp',
}: PortForward): string {
  return `${address.includes(':') ? `[${address}]` : address}:${host}->${service}/${protocol}`
}
