import { MoorageError } from '../../errors/index.ts'
import { architectureOf, hostArchitecture } from '../../images/index.ts'

/** The platform of this host, as images name it: `linux/amd64`. */
const hostPlatform = `linux/${hostArchitecture}`

/** @throws MoorageError PLATFORM_UNSUPPORTED when the platform is not this host's */
export function checkPlatform(platform: string | undefined): void {
  if (platform === undefined) return
  const [os, architecture = '', variant] = platform.toLowerCase().split('/')
  const named = `${os}/${architectureOf(architecture)}`
  // Every 64-bit ARM that runs Linux is a v8, and every x86-64 is a v1.
  const plain = variant === undefined || variant === (named === 'linux/arm64' ? 'v8' : 'v1')
  if (named !== hostPlatform || !plain)
    throw new MoorageError('PLATFORM_UNSUPPORTED', { platform, host: hostPlatform })
}
