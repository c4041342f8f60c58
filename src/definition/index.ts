/** The graph that a user describes by value: operations, digests, names. And the messages between client and daemon. */

export { argumentProblem, longestArgument, sumProblem, textProblem } from './argument-limits.ts'
export { defaultPath } from './default-path.ts'
export { canonicalJson } from './digests/canonical-json.ts'
export { digestDirectory } from './digests/directory-digest.ts'
export type { DirectoryFilter } from './digests/directory-filter.ts'
export { sha256OfJson } from './digests/sha256.ts'
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
} from './digests/vertex-digest.ts'
export { type Duration, milliseconds } from './durations.ts'
export {
  aliasProblem,
  labelProblem,
  ownerProblem,
  pathProblem,
  portProblem,
  urlProblem,
  volumeNameProblem,
} from './field-problems.ts'
export { hostnameOf, labelOf, zone } from './hostname.ts'
export { portForwardText } from './messages/port-forward.ts'
export type * from './messages/progress-events.ts'
export * from './messages/requests.ts'
export type * from './messages/status.ts'
export type * from './messages/stream-events.ts'
export * from './operations.ts'
export { bytesOf, isCapability, isUlimit, smallestMemory } from './resources.ts'
export { signalName, signalNumber, signalProblem } from './signals.ts'
