import { isIP } from 'node:net'
import type { PortForward } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'

const form = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):(?=[^:]*:))?(?:(\d{1,5})?:)?(\d{1,5})(?:\/(tcp|udp))?$/

/**
 * Reads the value of `-p`: `8080:80`, `80` or `0:80` (any port of the host), `0.0.0.0:8080:80`, `[::1]:8080:80`, each
 * with `/udp` for UDP.
 *
 * @throws MoorageError INVALID_OPTION
 */
export function portForwardOf(text: string): PortForward {
  const [, six, four, host = '0', service, protocol = 'tcp'] = form.exec(text) ?? []
  const address = six ?? four
  const ports = [Number(host), Number(service)]
  if (
    service === undefined ||
    ports.some((port) => port > 65_535) ||
    Number(service) === 0 ||
    (address !== undefined && isIP(address) === 0)
  ) {
    throw new MoorageError('INVALID_OPTION', {
      option: '-p',
      reason: `"${text}" is not [ADDRESS:]HOST:PORT, such as 8080:80 or 127.0.0.1:0:53/udp`,
    })
  }
  return {
    host: Number(host),
    service: Number(service),
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    ...withoutUndefined({ address }),
  }
}
