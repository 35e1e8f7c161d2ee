import { setImmediate } from 'node:timers/promises'

/** Resolves once it holds: for what a server does after its client has gone, which nobody is told of. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await setImmediate()
}
