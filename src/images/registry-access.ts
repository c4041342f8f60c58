import { existsSync } from 'node:fs'

/** What skopeo is told about a registry: TLS, credentials, and which signatures an image must have. */
export interface RegistryAccess {
  /** Arguments of every command of skopeo, before the command's name. */
  readonly policy: readonly string[]
  /** Options of `skopeo inspect`. */
  inspectOptions(registry: string): string[]
  /** Options of `skopeo copy`, for its source. */
  copyOptions(registry: string): string[]
}

/**
 * Registries are asked without credentials: those that the host's root has are not the caller's.
 *
 * @param insecure - registries (`host` or `host:port`) that speak plain HTTP; those on loopback do anyway
 */
export function createRegistryAccess(insecure: readonly string[]): RegistryAccess {
  const isPlain = (registry: string) => insecure.includes(registry) || isLoopback(registry)
  return {
    // Without a policy skopeo refuses everything; where the host has one, it holds.
    get policy() {
      return existsSync('/etc/containers/policy.json') ? [] : ['--insecure-policy']
    },
    inspectOptions: (registry) => ['--no-creds', ...(isPlain(registry) ? ['--tls-verify=false'] : [])],
    copyOptions: (registry) => ['--src-no-creds', ...(isPlain(registry) ? ['--src-tls-verify=false'] : [])],
  }
}

/** A registry on loopback speaks plain HTTP, as Docker takes it to. */
function isLoopback(registry: string): boolean {
  const host = registry.replace(/:\d+$/, '')
  return host === 'localhost' || host === '[::1]' || /^127(\.\d+){3}$/.test(host)
}
