import { checkInstance } from '../addressing/instance.ts'
import { tableName } from '../addressing/kernel-names.ts'
import { holdWorker } from './worker-thread.ts'

export interface HostOptions {
  instance: string
  /** The subnet that the addresses of the instance's uplinks are from. @defaultValue 169.254.240.0/20 */
  uplinkRange?: string
}

/** Holds an instance's part of the host: forwarding is on, and its nft table is there, until this is disposed of. */
export interface Host extends AsyncDisposable {
  readonly instance: string
  /** The name of the table, in the family `inet`. */
  readonly table: string
  release(): Promise<void>
}

/**
 * Prepares the host for an instance's networks, and keeps it prepared while there are none. This is optional: each
 * network prepares the host itself, and the last to go removes the table.
 *
 * @throws NetnsError `NFT_FAILED`, `BAD_CIDR`, `INVALID_NAME`
 */
export async function prepareHost({ instance, uplinkRange }: HostOptions): Promise<Host> {
  checkInstance(instance)
  const worker = holdWorker()
  try {
    await worker.call('holdHost', { instance, ...(uplinkRange === undefined ? {} : { uplinkRange }) })
  } catch (error) {
    await worker.release()
    throw error
  }
  let released: Promise<void> | undefined
  const release = () => {
    released ??= worker.call('releaseHost', { instance }).finally(() => worker.release())
    return released
  }
  return { instance, table: tableName(instance), release, [Symbol.asyncDispose]: release }
}
