/** What is kept below the state directory: images, directories, results, volumes, and their index. */
export { instanceOf } from './instance.ts'
export { type Lock, lockDirectory } from './lock.ts'
export {
  type ImageConfig,
  openStore,
  type Pin,
  type Store,
  type StoredImage,
  type StoredResult,
} from './store.ts'
