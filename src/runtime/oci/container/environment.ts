import { defaultPath } from '../../../definition/default-path.ts'
import type { ContainerUser } from './user.ts'

/** Adds PATH, HOSTNAME and HOME to an environment that lacks them. */
export function completeEnvironment(env: readonly string[], user: ContainerUser, hostname: string): string[] {
  const has = (name: string) => env.some((entry) => entry.startsWith(`${name}=`))
  return [
    ...env,
    ...(has('PATH') ? [] : [`PATH=${defaultPath}`]),
    ...(has('HOSTNAME') ? [] : [`HOSTNAME=${hostname}`]),
    ...(has('HOME') ? [] : [`HOME=${user.home}`]),
  ]
}
