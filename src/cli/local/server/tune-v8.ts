import { setFlagsFromString } from 'node:v8'

/**
 * Tunes V8 for the start of a server, in all threads, until {@link tuneForRequests}. While modules load and a
 * depot opens, nearly all objects stay in use; V8 would double its young generation whenever much of it does,
 * up to 32 MB, and hardly ever return the memory. Most code runs once, so that optimizing it costs a tenth of
 * a start and saves nothing.
 */
export function tuneForStart(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--no-maglev')
  setFlagsFromString('--no-turbofan')
}

/** Restores V8's defaults. */
export function tuneForRequests(): void {
  setFlagsFromString('--semi-space-growth-factor=2')
  setFlagsFromString('--maglev')
  setFlagsFromString('--turbofan')
}
