const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
  PiB: 1024 ** 5,
}

/** Parses a size such as `20MiB` to bytes. Returns `undefined` for another text. */
export function parseSize(text: string): number | undefined {
  const [, amount = '', unit = ''] = /^(\d+)\s*(\w*)$/.exec(text) ?? []
  const factor = UNITS[unit]
  return amount === '' || factor === undefined ? undefined : Number(amount) * factor
}

/** The inverse of {@link parseSize}, with the largest unit that gives a whole number. */
export function formatSize(bytes: number): string {
  if (bytes === 0) return '0'
  const [unit = '', factor = 1] = Object.entries(UNITS).findLast(([, each]) => bytes % each === 0) ?? []
  return `${bytes / factor}${unit}`
}
