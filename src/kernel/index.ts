/** The kernel as far as Node does not reach it and networks do not need it; those have netns/kernel. */
export { type EndedChild, endedChild, setChildSubreaper } from './children.ts'
export { KernelError } from './errors.ts'
export { extendedAttribute } from './extended-attributes.ts'
export { O_PATH, openInRoot, openRoot } from './open-in-root.ts'
export {
  mountOverlay,
  openOverlay,
  umount,
} from './overlay-mounts.ts'
export { peerCredentials } from './peer-credentials.ts'
export { bytesIn, makePipe, setPipeSize } from './pipes.ts'
