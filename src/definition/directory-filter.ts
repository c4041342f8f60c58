import { matchesGlob } from 'node:path'

export interface DirectoryFilter {
  /** Globs of paths to take, a directory's with all that is in it; everything unless said. */
  include?: readonly string[]
  /** Globs of paths to leave out, a directory's with all that is in it; they win. */
  exclude?: readonly string[]
}

/** What a filter says of a path below the directory: `a/b`, without a dot or a slash at its ends. */
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
 * A glob in which wildcards match names that begin with a dot: whoever says `src/**` does not mean to lose `src/.env`.
 * Node's matcher has no option for that, so it is asked a second time with the dots that begin a name made plain.
 */
function globOf(glob: string): (path: string) => boolean {
  const wanted = glob.replace(/^(\.?\/)+/, '').replace(/\/+$/, '')
  const plainWanted = plain(wanted)
  return (path) => matchesGlob(path, wanted) || matchesGlob(plain(path), plainWanted)
}

function plain(path: string): string {
  return path.replace(/(^|\/)\.(?=[^/])/g, '$1\u0001')
}
