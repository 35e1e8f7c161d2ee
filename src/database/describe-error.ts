// Apart from engine.ts, because the command line explains errors without loading an engine.

export { describeDatabaseError } from './sqlite/errors.ts'
