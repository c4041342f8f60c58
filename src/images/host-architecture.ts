const names: Readonly<Record<string, string>> = {
  x64: 'amd64',
  x86_64: 'amd64',
  arm64: 'arm64',
  aarch64: 'arm64',
}

/** Returns an architecture's name in images: `amd64` for `x86_64`. */
export function architectureOf(name: string): string {
  return names[name] ?? name
}

/** The architecture of images that this host runs. */
export const hostArchitecture: string = architectureOf(process.arch)
