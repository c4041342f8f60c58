import { existsSync } from 'node:fs'

/** What skopeo must know to speak to a registry: TLS, credentials, and the policy on signatures. */
interface RegistryAccess {
  /** Arguments of every command of skopeo, before the command's name. */
  readonly policy: readonly string[]
  /** Options of `skopeo inspect`. */
  inspectOptions(registry: string): string[]
  /** Options of `skopeo copy`, for its source. */
  copyOptions(registry: string): string[]
}

/**
 * Makes the access that all callers share. Registries are asked without credentials: those of the host's root do
 * not belong to the caller.
 *
 * @param insecure - registries (`host` or `host:port`) that speak plain HTTP; those on loopback do anyway
 */
export function createRegistryAccess(insecure: readonly string[]): RegistryAccess {
  const isPlain = (registry: string) => insecure.includes(registry) || isLoopback(registry)
  return {
    // Without a policy skopeo refuses everything. If the host has one, it counts.
    get policy() {
      return existsSync('/etc/containers/policy.json') ? [] : ['--insecure-policy']
    },
    inspectOptions: (registry) => ['--no-creds', ...(isPlain(registry) ? ['--tls-verify=false'] : [])],
    copyOptions: (registry) => ['--src-no-creds', ...(isPlain(registry) ? ['--src-tls-verify=false'] : [])],
  }
}

/** A registry on loopback is taken to speak plain HTTP, as Docker takes it. */
function isLoopback(registry: string): boolean {
  const host = registry.replace(/:\d+$/, '')
  return host === 'localhost' || host === '[::1]' || /^127(\.\d+){3}$/.test(host)
}
