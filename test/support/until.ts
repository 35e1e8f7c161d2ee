import { setImmediate, setTimeout } from 'node:timers/promises'

/** The process itself finishes its work within this many turns of its event loop. */
const TURNS = 100
/** Far longer than any effect takes on a busy machine. */
const LIMIT_MS = 20_000

/**
 * Resolves when the condition holds. For effects that have no event, for example after a client has left.
 * Rejects with `what` if the condition does not hold within 20 seconds.
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limitMs = LIMIT_MS,
): Promise<void> {
  const begun = performance.now()
  for (let turn = 0; !(await holds()); turn += 1) {
    if (turn >= TURNS && performance.now() - begun > limitMs)
      throw new Error(`waited ${limitMs / 1_000} s in vain until ${what}`)
    // After that, other processes or the disk do the work. A pause leaves them the processor.
    await (turn < TURNS ? setImmediate() : setTimeout(1))
  }
}

/** Lets the event loop turn `count` times. For claims that something has not happened. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await setImmediate()
}
