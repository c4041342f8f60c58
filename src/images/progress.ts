/** Bytes that have come, and their number in all. */
export interface Bytes {
  readonly done: number
  readonly total: number
}

/** Tells what is being done, in words, and where that is known in bytes. */
export type OnProgress = (detail: string, bytes?: Bytes) => void

/** Handed to the work of making an image ready. */
export interface Working {
  /** Aborts when nobody waits for the work any more. */
  readonly signal: AbortSignal
  readonly onProgress: OnProgress
}
