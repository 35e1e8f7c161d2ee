import { setImmediate, setTimeout } from 'node:timers/promises'

/** Work of this process is done within this many turns of its event loop. */
const TURNS = 100

/** Resolves when the condition holds. For effects that have no event, for example after a client has left. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; !(await holds()); turn += 1) {
    // After that, other processes or the disk do the work. A pause leaves them the processor.
    await (turn < TURNS ? setImmediate() : setTimeout(1))
  }
}
