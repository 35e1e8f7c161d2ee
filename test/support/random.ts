/** Where random tests begin: the same in every run, unless `SEED=` says another. */
export const SEED = Number(process.env['SEED'] ?? 0)

/** How often a random test runs: `usual`, unless `RUNS=` says how often. */
export const runsOf = (usual: number): number => Number(process.env['RUNS'] ?? usual)

/** Whether exhaustive tests take every case, as `npm run test:all` does, rather than a sample. */
export const isExhaustive = process.env['RUNS'] !== undefined

/** The cases for an exhaustive test: all of them, or as many as given, which follow from the seed. */
export function sampleOf<Case>(cases: readonly Case[], usual: number): readonly Case[] {
  if (isExhaustive || cases.length <= usual) return cases
  const random = seeded(cases.length)
  const left = [...cases]
  return Array.from({ length: usual }, () => left.splice(Math.floor(random() * left.length), 1)).flat()
}

/** Numbers from 0 to below 1 that follow from both seeds (mulberry32). */
export function seeded(seed: number): () => number {
  let state = (seed + SEED) | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
