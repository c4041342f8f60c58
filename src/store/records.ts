/** What the store hands out: what it keeps, and where. */

/** What an image says of how it is to be run. */
export interface ImageConfig {
  entrypoint: string[]
  cmd: string[]
  /** `NAME=value`. */
  env: string[]
  user: string
  workdir: string
  exposedPorts: { port: number; protocol: 'tcp' | 'udp' }[]
  stopSignal?: string
  /** As the image has it: durations in nanoseconds. */
  healthcheck?: unknown
}

/** What a reference was resolved to. */
export interface Pin {
  digest: string
  /** Milliseconds since 1970. */
  pinnedAt: number
}

export interface StoredImage {
  digest: string
  /** The directory of its root filesystem. */
  rootfs: string
  config: ImageConfig
  /** Where it came from, for people. */
  source: string
  /** Milliseconds since 1970. */
  createdAt: number
}

export interface StoredResult {
  digest: string
  /** The directory of what the run wrote. */
  layer: string
  /** The directory of its log. */
  logs: string
  exitCode: number
  /** Milliseconds since 1970. */
  createdAt: number
}
