/** `moorage/engine`: the engine that the daemon runs, in your process. */
export type { Caller } from './caller.ts'
export type { EngineLog } from './context.ts'
export { createEngine } from './create-engine.ts'
export { checkEverything, type Probe } from './doctor.ts'
export type { Engine, EngineOptions } from './engine.ts'
export type { EventLog } from './events/event-log.ts'
export {
  eventsOf,
  type LogOptions,
  type LogPiece,
  type LogPosition,
  positionOf,
} from './registry/log-piece.ts'
