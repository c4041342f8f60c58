/** The records that the store returns, with the places of what it keeps. */

/** How an image says that it is to be run. */
export interface ImageConfig {
  entrypoint: string[]
  cmd: string[]
  /** `NAME=value`. */
  env: string[]
  user: string
  workdir: string
  exposedPorts: { port: number; protocol: 'tcp' | 'udp' }[]
  stopSignal?: string
  /** As the image says it: durations are nanoseconds. */
  healthcheck?: unknown
}

/** The digest that a reference is pinned to. */
export interface Pin {
  digest: string
  /** Milliseconds since the epoch. */
  pinnedAt: number
}

export interface StoredImage {
  digest: string
  /** The directory of its root filesystem. */
  rootfs: string
  config: ImageConfig
  /** Its reference, for people. */
  source: string
  /** Milliseconds since the epoch. */
  createdAt: number
}

export interface StoredResult {
  digest: string
  /** The directory of what the run wrote. */
  layer: string
  /** The directory of its log. */
  logs: string
  exitCode: number
  /** Milliseconds since the epoch. */
  createdAt: number
}
