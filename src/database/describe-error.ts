// Separate from engine.ts, so that the command line can explain errors without loading an engine.

export { describeDatabaseError } from './sqlite/errors.ts'
