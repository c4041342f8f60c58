/** The store below the state directory: images, directories, results, volumes, and their index. */

export { type FreeSpace, mebibytes } from './free-space.ts'
export { instanceOf } from './instance.ts'
export { type Lock, lockDirectory } from './lock.ts'
export type { ImageConfig, Pin, StoredImage, StoredResult } from './records.ts'
export { openStore, type Store } from './store.ts'
