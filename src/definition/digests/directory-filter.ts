import { matchesGlob } from 'node:path'

export interface DirectoryFilter {
  /** Globs of the paths to take, all that is in a directory included; everything, if it is not set. */
  include?: readonly string[]
  /** Globs of the paths to leave out, all that is in a directory included. They win over `include`. */
  exclude?: readonly string[]
}

/** Decides on a path below the directory: `a/b`, without a dot or a slash at its ends. */
export interface PathChoice {
  excluded(path: string): boolean
  included(path: string): boolean
}

export function choiceOf({ include, exclude = [] }: DirectoryFilter): PathChoice {
  const excluding = exclude.map(globOf)
  const including = include?.map(globOf)
  return {
    excluded: (path) => excluding.some((matches) => matches(path)),
    included: (path) => including === undefined || including.some((matches) => matches(path)),
  }
}

/**
 * Makes a glob in which wildcards match names that begin with a dot: somebody who writes `src/**` does not mean to
 * lose `src/.env`. Node's matcher has no option for that, so it is asked a second time with the dots at the
 * beginning of names replaced.
 */
function globOf(glob: string): (path: string) => boolean {
  const pattern = glob.replace(/^(\.?\/)+/, '').replace(/\/+$/, '')
  const dotlessPattern = withoutDots(pattern)
  return (path) => matchesGlob(path, pattern) || matchesGlob(withoutDots(path), dotlessPattern)
}

function withoutDots(path: string): string {
  return path.replace(/(^|\/)\.(?=[^/])/g, '$1\u0001')
}
