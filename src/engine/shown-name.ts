import type { PlannedExec } from './plan/planned.ts'

/** Returns the name of a service for people: its custom hostname, else its alias, else that of its command. */
export function shownName({ customName, args, root }: PlannedExec, alias: string | undefined): string {
  if (customName !== undefined) return customName
  // A service of the host has no command.
  return alias ?? (args[0]?.split('/').at(-1) || root.name)
}
