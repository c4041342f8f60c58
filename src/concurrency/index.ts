/** Runs work once for all who ask for it, and waits that can be given up. Knows nothing of what the work is. */
export { aborted } from './aborted.ts'
export {
  createFlights,
  type Flight,
  type FlightCaller,
  type Flights,
  type FlightsOptions,
  type UnheardFailure,
} from './flight.ts'
export { untilAborted } from './until-aborted.ts'
