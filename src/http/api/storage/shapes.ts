import { z } from 'zod'
import { Next, Package, PageQuery, named } from '../conventions/shapes.ts'

// Shapes of quotas and of the bytes that releases use.

const Bytes = z.int().min(0)
const Quota = Bytes.nullable().describe('in bytes; null is no limit')
const Month = z.string().describe('a month in UTC, such as 2026-01')
const Releases = z.int().describe('how many releases have these bytes')
const Warning = z
  .string()
  .nullable()
  .describe('a sentence if 80 % of the quota or more is used; otherwise null')

const SUMMARY = {
  releases: 120,
  used_bytes: 9_019_431_321,
  quota_bytes: 10_737_418_240,
  warning: 'the origin acme uses 84 % of its quota of 10.0 GiB',
  months: [
    { month: '2026-01', releases: 20, bytes: 1_503_238_553 },
    { month: '2025-12', releases: 100, bytes: 7_516_192_768 },
  ],
}

const Summary = {
  releases: Releases,
  used_bytes: Bytes.describe('bytes that several releases share count once'),
  quota_bytes: Quota,
  warning: Warning,
  months: z
    .array(z.object({ month: Month, releases: z.int(), bytes: Bytes }))
    .describe('by the month in which the depot received the bytes, newest first'),
}

export const DepotStorage = named(
  'DepotStorage',
  z.object({
    ...Summary,
    unneeded_bytes: Bytes.describe('bytes that no release needs any more, and that are not yet removed'),
  }),
  { ...SUMMARY, warning: 'the depot uses 84 % of its quota of 10.0 GiB', unneeded_bytes: 52_428_800 },
)

export const OriginStorage = named('OriginStorage', z.object({ origin: z.string(), ...Summary }), {
  origin: 'acme',
  ...SUMMARY,
})

export const StorageQuery = PageQuery.extend({
  before: z
    .string()
    .regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'must be a month, such as 2026-01')
    .optional()
    .describe('counts only bytes that the depot received before this month'),
})

export const OriginSizes = named(
  'OriginSizes',
  z.object({
    origins: z.array(
      z.object({
        origin: z.string(),
        releases: Releases,
        used_bytes: Bytes,
        quota_bytes: Quota,
      }),
    ),
    next: Next,
  }),
  {
    origins: [{ origin: 'acme', releases: 120, used_bytes: 9_019_431_321, quota_bytes: 10_737_418_240 }],
    next: null,
  },
)

export const PackageSizes = named(
  'PackageSizes',
  z.object({
    origin: z.string(),
    packages: z.array(z.object({ package: Package, releases: Releases, used_bytes: Bytes })),
    next: Next,
  }),
  {
    origin: 'acme',
    packages: [{ package: 'acme/app', releases: 80, used_bytes: 8_000_000_000 }],
    next: null,
  },
)

export const QuotaBody = named('NewQuota', z.strictObject({ bytes: Quota }), { bytes: 10_737_418_240 })
