import { z } from 'zod'
import { ACCOUNT_NAME } from '../access/account-name.ts'
import type { AnonymousReading } from '../access/anonymous-reading.ts'
import { isOriginName } from '../package/ident.ts'
import { TARGETS } from '../package/target.ts'
import { isNetwork } from '../text/address-ranges.ts'
import { didYouMean } from '../text/nearest.ts'
import { parsePeriod } from '../text/period.ts'
import { formatSize, parseSize } from '../text/size.ts'
import { UNSTABLE, isViewName } from '../views/view.ts'

// The kinds of values that settings have. Each message continues the name of the variable, for example
// `DEPOT_WORKERS must be …`.

/** The largest size of any setting. */
const MAX_BYTES = 1024 ** 5

/** A text with which nothing is wrong: `findFault` returns the end of a sentence about it, or `undefined`. */
export const faultless = (findFault: (text: string) => string | undefined) =>
  z.string().refine((text) => findFault(text) === undefined, {
    error: ({ input }) => findFault(String(input)),
  })

/** Splits a list at commas, and leaves out empty items. */
export const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
)

export const accountNames = list.pipe(
  z
    .array(
      z.string().regex(ACCOUNT_NAME, {
        error: ({ input }) => `names ${JSON.stringify(input)}, which is not an account name`,
      }),
    )
    .min(1, 'names no account'),
)
export const originNames = list.pipe(
  z
    .array(
      z.string().refine(isOriginName, {
        error: ({ input }) => `names ${JSON.stringify(input)}, which is not an origin's name`,
      }),
    )
    .min(1, 'names no origin'),
)
/** Channels that can follow upstream. `unstable` cannot, because it lists the releases of this depot. */
export const refreshableChannels = list.pipe(
  z
    .array(
      z.string().refine((name) => isViewName(name) && name !== UNSTABLE, {
        error: ({ input }) =>
          input === UNSTABLE
            ? `names ${UNSTABLE}, which lists the releases of this depot`
            : `names ${JSON.stringify(input)}, which is not a channel's name`,
      }),
    )
    .min(1, 'names no channel'),
)
export const networks = list
  .refine(
    (items) => items.join() === 'any' || items.every(isNetwork),
    'must be any, or networks, for example 10.0.0.0/8,fd00::/8',
  )
  .transform((items) => (items.join() === 'any' ? 'any' : items))
  .default([])
export const targets = list.pipe(
  z
    .array(
      z.enum(TARGETS, {
        error: ({ input }) =>
          `names ${JSON.stringify(input)}, which is not a target${didYouMean(String(input), TARGETS) || `; targets are ${TARGETS.join(', ')}`}`,
      }),
    )
    .min(1, 'names no target'),
)

/** Accepts a value from a fixed list. */
export function choice<const Words extends readonly string[]>(words: Words) {
  return z.enum(words, {
    error: ({ input }) =>
      `must be ${words.slice(0, -1).join(', ')} or ${words.at(-1)}${didYouMean(String(input), words)}`,
  })
}

/** Parses a size such as `512MiB` to bytes, from `min` to {@link MAX_BYTES}. */
export function size(min: number) {
  const range = `must be a size from ${formatSize(min)} to ${formatSize(MAX_BYTES)}, such as 512MiB`
  return z.string().transform((text, context) => {
    const bytes = parseSize(text)
    if (bytes !== undefined && bytes >= min && bytes <= MAX_BYTES) return bytes
    const [, amount, letter] = /^(\d+)\s*([kmgtp])(?:i?b)?$/i.exec(text) ?? []
    const meant =
      letter === undefined || bytes !== undefined ? '' : `; did you mean ${amount}${letter.toUpperCase()}iB?`
    context.addIssue({ code: 'custom', message: `${range}${meant}` })
    return z.NEVER
  })
}

const ANONYMOUS_FORM =
  'must be read or none, perhaps followed by origins to which the opposite applies, for example none,core=read'

/** Parses `read`, `none` or, for example, `none,core=read,chef=read`. */
export const anonymousReading = list.transform((items, context): AnonymousReading => {
  const [first, ...others] = items
  const pairs = others.map((item) => item.split('='))
  const isWrong =
    (first !== 'read' && first !== 'none') ||
    pairs.some(
      ([origin = '', word, ...rest]) =>
        !isOriginName(origin) || word !== (first === 'read' ? 'none' : 'read') || rest.length > 0,
    )
  const named = pairs.map(([origin = '']) => origin)
  const repeated = named.find((origin, index) => named.indexOf(origin) !== index)
  if (isWrong || repeated !== undefined) {
    context.addIssue({
      code: 'custom',
      message: isWrong ? ANONYMOUS_FORM : `names ${JSON.stringify(repeated)} twice`,
    })
    return z.NEVER
  }
  return { isAllowed: first === 'read', exceptions: named }
})

/** Parses 0, or a period such as `15m`, to milliseconds. */
export function period(minMs: number) {
  return z.string().transform((text, context) => {
    const ms = parsePeriod(text)
    if (ms !== undefined && (ms === 0 || ms >= minMs)) return ms
    context.addIssue({
      code: 'custom',
      message: `must be 0 or a period of at least ${minMs / 1_000}s, such as 30m or 6h`,
    })
    return z.NEVER
  })
}

/** Parses a whole number in a range. */
export function count(min: number, max: number) {
  return z
    .string()
    .refine(
      (text) => /^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max,
      `must be a number from ${min} to ${max}`,
    )
    .transform(Number)
}
