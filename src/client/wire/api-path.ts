/** A path of the daemon's API with its query; undefined parameters are left out. */
export function apiPath(path: string, query: Record<string, string | undefined> = {}): string {
  const defined = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const parameters = new URLSearchParams(defined).toString()
  return `/v1/${path}${parameters === '' ? '' : `?${parameters}`}`
}
