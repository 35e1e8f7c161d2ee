// Separate from engine.ts, so that the command line can explain errors without loading an engine.

export { cannotOpen, describeDatabaseError, isDiskFull, isReadOnly } from './sqlite/errors.ts'
