import { MoorageError } from '../../errors/index.ts'

const architectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  arm64: 'arm64',
  x86_64: 'amd64',
  aarch64: 'arm64',
}

/** What this host runs, as images call it: `linux/amd64`. */
const hostPlatform = `linux/${architectures[process.arch] ?? process.arch}`

/** @throws MoorageError PLATFORM_UNSUPPORTED when it is not this host's */
export function checkPlatform(platform: string | undefined): void {
  if (platform === undefined) return
  const [os, architecture = '', variant] = platform.toLowerCase().split('/')
  const named = `${os}/${architectures[architecture] ?? architecture}`
  // Every 64-bit ARM that runs Linux is a v8, and every x86-64 a v1.
  const plain = variant === undefined || variant === (named === 'linux/arm64' ? 'v8' : 'v1')
  if (named !== hostPlatform || !plain)
    throw new MoorageError('PLATFORM_UNSUPPORTED', { platform, host: hostPlatform })
}
