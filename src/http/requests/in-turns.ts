import { setImmediate } from 'node:timers/promises'

/**
 * Runs steps one after another, each in a turn of the event loop of its own, so that polls are answered in
 * between. Returns what the steps return. For modules that load when they are first used: loading all at once
 * takes longer than a poll may wait.
 */
export async function inTurns<Result>(steps: readonly (() => Promise<Result>)[]): Promise<Result[]> {
  const results: Result[] = []
  for (const step of steps) {
    await setImmediate()
    results.push(await step())
  }
  return results
}
