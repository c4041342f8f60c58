/** Every failure that Moorage reports: its code, its sentence, and what to do next. */
export { asMoorageError } from './as-moorage-error.ts'
export { type CatalogueEntry, catalogue, type ErrorCode } from './catalogue.ts'
export { lastLine } from './complete-message.ts'
export { errorFromWire } from './error-from-wire.ts'
export { ExecError, HealthError, MoorageError, moorageError, type WireError } from './moorage-error.ts'
export { causeText, type ErrorDetails } from './sentence.ts'
