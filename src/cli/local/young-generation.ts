import { setFlagsFromString } from 'node:v8'

// V8 doubles its young generation whenever much of it is still in use, up to 32 MB, and hardly ever returns
// the memory. While modules load and a depot opens, nearly all objects stay in use. Later, few do.

/** Keeps the young generation at 1 MB until {@link letYoungGenerationGrow}, in all threads. */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}

/** Restores V8's default. */
export function letYoungGenerationGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2')
}
