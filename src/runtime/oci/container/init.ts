import { MoorageError } from '../../../errors/index.ts'
import type { ContainerMount } from '../../runtime.ts'
import { findProgram } from '../oci-tool.ts'

/** Path of the init process in the container: at its root, since /sbin may be a link there. */
export const initPath = '/.moorage-init'

/** Init programs that are linked statically, and so run in any image; each passes signals on and collects orphans. */
const programs = ['tini-static', 'catatonit', 'docker-init']

/** @throws MoorageError RUNTIME_MISSING */
export function initMount(): ContainerMount {
  for (const name of programs) {
    const source = findProgram(name)
    if (source !== undefined) return { type: 'bind', source, destination: initPath, readonly: true }
  }
  throw new MoorageError('RUNTIME_MISSING', { what: 'tini (a container asks for init)' })
}
