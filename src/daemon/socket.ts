import { chmodSync, chownSync, readFileSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { MoorageError } from '../errors/index.ts'
import { makeChosenDirectory } from '../make-directory.ts'

/** The group that may use the socket, besides root. */
const group = 'moorage'

/**
 * Prepares a `unix://` address for listening; returns its path. A socket that an ended daemon left is removed; one that
 * answers belongs to a daemon that runs.
 *
 * @throws MoorageError INVALID_OPTION
 */
export async function prepareSocket(address: string): Promise<string> {
  const path = address.replace(/^unix:\/\//, '')
  if (!path.startsWith('/')) {
    throw new MoorageError('INVALID_OPTION', {
      option: `--listen ${address}`,
      reason: 'only unix:///path is in this version',
    })
  }
  await makeChosenDirectory(`--listen ${address}`, dirname(path), 0o755)
  if (await answers(path)) {
    throw new MoorageError('INVALID_OPTION', {
      option: `--listen ${address}`,
      reason: 'another daemon answers there; give this one its own --listen or MOORAGE_RUNTIME_DIR',
    })
  }
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  return path
}

/** Restricts the socket to root and the group `moorage`, if there is one: mode 0660, else 0600. */
export function restrictSocket(path: string): void {
  const gid = groupId()
  if (gid !== undefined) chownSync(path, 0, gid)
  chmodSync(path, gid === undefined ? 0o600 : 0o660)
}

function groupId(): number | undefined {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${group}:`))
  const gid = Number(line?.split(':')[2])
  return Number.isInteger(gid) ? gid : undefined
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
}
