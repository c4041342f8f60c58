import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Returns the host's own sources of a Debian suite, with its updates and security, as lines for mmdebstrap, which
 * does not read them itself. There are none if the host has another suite: mmdebstrap then uses its default.
 *
 * @see sources.list(5)
 */
export function hostSources(suite: string, aptDirectory = '/etc/apt'): string[] {
  const sources = [
    ...filesOf(aptDirectory, 'sources.list').flatMap(oneLineSources),
    ...filesOf(join(aptDirectory, 'sources.list.d'), '.list').flatMap(oneLineSources),
    ...filesOf(join(aptDirectory, 'sources.list.d'), '.sources').flatMap(stanzaSources),
  ]
  const suites = [suite, `${suite}-updates`, `${suite}-security`]
  const lines = sources
    .filter((source) => suites.includes(source.suite) && isDebian(source))
    .map((source) => `deb ${source.uri} ${source.suite} main`)
  const hasSuite = sources.some((source) => source.suite === suite && isDebian(source))
  return hasSuite ? [...new Set(lines)] : []
}

interface Source {
  uri: string
  suite: string
  components: string[]
}

/**
 * True for Debian's own archive, which has the component `main`, and whose path ends so by custom. Other archives
 * name their suites after Debian's too.
 */
function isDebian({ uri, components }: Source): boolean {
  return /^https?:\/\/\S+\/(debian|debian-security)\/?$/.test(uri) && components.includes('main')
}

function oneLineSources(text: string): Source[] {
  return text.split('\n').flatMap((line) => {
    const [, uri, suite, components] = /^\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line) ?? []
    if (uri === undefined || suite === undefined || components === undefined) return []
    return [{ uri, suite, components: words(components) }]
  })
}

function stanzaSources(text: string): Source[] {
  const withoutComments = text.replace(/^#.*\n?/gm, '')
  return withoutComments.split(/\n\s*\n/).flatMap((stanza) => {
    const field = (name: string) =>
      words(new RegExp(`^${name}:((?:.*)(?:\n[ \t].*)*)`, 'im').exec(stanza)?.[1] ?? '')
    if (!field('Types').includes('deb') || field('Enabled')[0] === 'no') return []
    const components = field('Components')
    return field('URIs').flatMap((uri) => field('Suites').map((suite) => ({ uri, suite, components })))
  })
}

function words(text: string): string[] {
  return text.split(/\s+/).filter(Boolean)
}

/** Returns the texts of the files whose names end in `ending`. */
function filesOf(directory: string, ending: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith(ending))
      .sort()
      .map((name) => readFileSync(join(directory, name), 'utf8'))
  } catch (error) {
    // A host that is not Debian has none of it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
