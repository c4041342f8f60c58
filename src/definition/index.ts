/** The graph that a user describes by value: operations, digests, names. And the messages between client and daemon. */
export { canonicalJson } from './canonical-json.ts'
export { defaultPath } from './default-path.ts'
export { digestDirectory } from './directory-digest.ts'
export type { DirectoryFilter } from './directory-filter.ts'
export { type Duration, milliseconds } from './durations.ts'
export { hostnameOf, labelOf, zone } from './hostname.ts'
export {
  aliasProblem,
  labelProblem,
  ownerProblem,
  pathProblem,
  portProblem,
  urlProblem,
  volumeNameProblem,
} from './names.ts'
export * from './operations.ts'
export { portForwardText } from './port-forward.ts'
export type * from './progress-events.ts'
export * from './requests.ts'
export { bytesOf, isCapability, isUlimit, smallestMemory } from './resources.ts'
export { sha256OfJson } from './sha256.ts'
export type * from './status.ts'
export type * from './stream-events.ts'
export {
  digestOfCopy,
  digestOfExec,
  digestOfHost,
  digestOfHostService,
  digestOfHttp,
  digestOfImage,
  digestOfPart,
  digestOfRemove,
  digestOfRootfs,
  digestOfScratch,
  digestOfWrite,
  type ExecVertex,
  type MountVertex,
  normalPath,
} from './vertex-digest.ts'
