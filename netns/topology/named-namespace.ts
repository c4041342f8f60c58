/** A network's namespace. Its name, a mount on a file in the run directory, keeps it when its process ends. */
import { rmSync, writeFileSync } from 'node:fs'
import { faultPoint } from '../fault-points.ts'
import { bindMount, createNamespace, NetlinkSocket, NetnsError, umount } from '../kernel/index.ts'
import { NamespaceSettings } from './namespace-settings.ts'

/** Makes a namespace that forwards, and gives it its name. Returns its descriptor, and a socket inside. */
export function makeNamedNamespace(path: string, ipv6: boolean): { fd: number; value: NetlinkSocket } {
  return createNamespace(() => {
    writeSettings(ipv6)
    faultPoint('namespace-made')
    writeFileSync(path, '')
    bindMount('/proc/thread-self/ns/net', path)
    return new NetlinkSocket()
  })
}

/** Takes a namespace's name away, as far as it has got one; it ends when nobody holds it otherwise. */
export function removeNamespaceName(path: string): void {
  try {
    umount(path)
  } catch (error) {
    // Not mounted, or not even there: it was never finished.
    if (!(error instanceof NetnsError && (error.errno === 'EINVAL' || error.errno === 'ENOENT'))) throw error
  }
  faultPoint('name-unmounted')
  // The unlink also drops the copies of the mount that other mount namespaces have.
  rmSync(path, { force: true })
}

function writeSettings(ipv6: boolean): void {
  using settings = new NamespaceSettings()
  // A new namespace takes these from the host's. The kernel ORs "all" with the link, so both are set.
  for (const scope of ['all', 'default']) {
    settings.write({
      [`ipv4/conf/${scope}/rp_filter`]: '0',
      [`ipv4/conf/${scope}/send_redirects`]: '0',
      [`ipv4/conf/${scope}/accept_redirects`]: '0',
    })
  }
  // Without the second one a sandbox gets one refusal by ICMP in a second, and waits for all the others.
  settings.write({ 'ipv4/ip_forward': '1', 'ipv4/icmp_ratelimit': '0' })
  if (ipv6) {
    settings.write({
      'ipv6/conf/all/disable_ipv6': '0',
      'ipv6/conf/default/disable_ipv6': '0',
      'ipv6/conf/all/forwarding': '1',
      'ipv6/icmp/ratelimit': '0',
    })
  }
  // Where Docker has loaded br_netfilter, frames between bridge ports pass the IP rules a first time, as bridged.
  settings.writeExisting({
    'bridge/bridge-nf-call-iptables': '0',
    'bridge/bridge-nf-call-ip6tables': '0',
    'bridge/bridge-nf-call-arptables': '0',
  })
}
