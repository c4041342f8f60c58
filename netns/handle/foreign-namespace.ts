/** A network namespace that somebody else made. It is never kept open, so that it ends when its owner wants it to. */
import { closeSync, constants, fstatSync, openSync, statfsSync } from 'node:fs'
import { inNamespace, NetnsError } from '../kernel/index.ts'

/**
 * Names a namespace by a process that lives in it, or by a path: of `ip netns`, of an OCI runtime, `/proc/PID/ns/net`.
 */
export type NamespaceOf = { pid: number } | { path: string }

export interface ForeignNamespace {
  readonly path: string
  /** Opens it for as long as `use` runs, up to its first await. @throws NetnsError `BAD_NAMESPACE` when it has ended */
  enter<T>(use: (fd: number) => T): T
}

/** The `f_type` of the filesystem of namespaces (NSFS_MAGIC). */
const namespaceMagic = 0x6e736673

/**
 * @throws NetnsError `BAD_NAMESPACE`: there is none, it is of another kind, or it is this process's own
 */
export function foreignNamespace(namespace: NamespaceOf): ForeignNamespace {
  const path = 'pid' in namespace ? `/proc/${namespace.pid}/ns/net` : namespace.path
  const owner = 'pid' in namespace ? `the process ${namespace.pid}` : path
  const open = () => {
    try {
      // Without waiting, since the path may be a pipe.
      return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    } catch (cause) {
      const reason = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : String(cause)
      throw new NetnsError('BAD_NAMESPACE', `${owner} ${reason}`, { cause })
    }
  }
  const identity = withOpen(open, (fd) => {
    if (statfsSync(`/proc/self/fd/${fd}`).type !== namespaceMagic)
      throw new NetnsError('BAD_NAMESPACE', `${path} is not a namespace`)
    try {
      inNamespace(fd, () => undefined)
    } catch (cause) {
      throw new NetnsError('BAD_NAMESPACE', `${path} is not a network namespace`, { cause })
    }
    return identityOf(fd)
  })
  if (identity === withOpen(() => openSync('/proc/self/ns/net', 'r'), identityOf)) {
    throw new NetnsError('BAD_NAMESPACE', `${owner} is in the network namespace of this process itself`)
  }
  return {
    path,
    enter: (use) =>
      withOpen(open, (fd) => {
        // A pid or a path may mean something else by now.
        if (identityOf(fd) !== identity) throw new NetnsError('BAD_NAMESPACE', `${owner} has ended`)
        return use(fd)
      }),
  }
}

const identityOf = (fd: number) => {
  const { dev, ino } = fstatSync(fd)
  return `${dev} ${ino}`
}

function withOpen<T>(open: () => number, use: (fd: number) => T): T {
  const fd = open()
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}
