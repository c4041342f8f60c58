/** One thing that the host must have, and what to do where it does not. */
export interface HostCheck {
  name: string
  ok: boolean
  detail: string
  remedy: string
  /** True if it could not be looked at, so that nothing is known about it; `ok` is false, and `detail` says why. */
  skipped?: true
}

export const passed = (name: string, detail: string): HostCheck => ({ name, ok: true, detail, remedy: '' })

/** Builds the result of a check that could not be made. @param why - without a full stop: `only root can list tables` */
export const notLookedAt = (name: string, why: string, remedy = asRoot): HostCheck => ({
  name,
  ok: false,
  skipped: true,
  detail: `not looked at: ${why}`,
  remedy,
})

const asRoot = 'look again as root: sudo moorage doctor'

export const isRoot = (): boolean => process.geteuid?.() === 0

/**
 * Makes one check, so that its failure leaves the others alone: a refusal of permission means that nothing is known,
 * any other error that the thing does not work.
 *
 * @param only - what only root can do, in words; without it every user can make this check
 */
export async function look(
  name: string,
  { only, remedy }: { only?: string; remedy: string },
  find: () => HostCheck | string | Promise<HostCheck | string>,
): Promise<HostCheck> {
  if (only !== undefined && !isRoot()) return notLookedAt(name, `only root can ${only}`)
  try {
    const found = await find()
    return typeof found === 'string' ? passed(name, found) : found
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    if (isRefusal(error)) return notLookedAt(name, message)
    return { name, ok: false, detail: message, remedy }
  }
}

function isRefusal(error: unknown): boolean {
  if (isRoot()) return false
  const { code, errno } = (error ?? {}) as { code?: string; errno?: unknown }
  return [code, errno].some((name) => name === 'EACCES' || name === 'EPERM')
}
