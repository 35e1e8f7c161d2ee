import { setImmediate, setTimeout } from 'node:timers/promises'

/** What this process does by itself is done within so many turns of its event loop. */
const TURNS = 100

/** Resolves once it holds: for what a server does after its client has gone, which nobody is told of. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; !(await holds()); turn += 1) {
    // What takes longer is done by other processes, and by disks: asking them on and on would take their time.
    await (turn < TURNS ? setImmediate() : setTimeout(1))
  }
}
