import { verifyDepot } from '../../../src/audit/verify.ts'
import { Retention } from '../../../src/upkeep/retention.ts'
import { findCandidates } from '../../../src/retention/candidate-store.ts'
import { judge } from '../../../src/retention/judge.ts'
import { readKeepers } from '../../../src/retention/keepers-store.ts'
import { DEFAULT_TARGET } from '../../../src/package/target.ts'
import type { RetentionRule, RuleScope } from '../../../src/views/retention-rule.ts'
import type { TestDepot } from '../start-depot.ts'

export const OPERATOR = { client: 'tests', door: 'cli' } as const
export const DAY_MS = 24 * 60 * 60_000

/** Sets a retention rule as the operator, or removes it. */
export async function setRule(
  { depot }: TestDepot,
  scope: RuleScope,
  rule: RetentionRule | undefined,
): Promise<void> {
  await depot.writer.submit({ kind: 'setRetention', input: { scope, rule }, actor: OPERATOR })
}

/** Returns, for each ident, the kinds of the reasons why it stays, sorted; `goes` if there are none. */
export async function verdictsOn({ depot }: TestDepot, idents: readonly string[]): Promise<string[]> {
  const keepers = await readKeepers(depot.db, depot.now())
  const candidates = await findCandidates(
    depot.db,
    idents.map((ident) => ({ ident, target: DEFAULT_TARGET })),
  )
  const byIdent = new Map(
    (await judge(depot.db, keepers, candidates)).map(({ release: { ident }, reasons }) => [
      `${ident.origin}/${ident.name}/${ident.version}/${ident.release}`,
      reasons.length === 0 ? 'goes' : [...new Set(reasons.map(({ kind }) => kind))].toSorted().join(' '),
    ]),
  )
  return idents.map((ident) => byIdent.get(ident) ?? 'is gone')
}

/** Removes what may go of these releases, as the operator or like the daily run. Returns the idents that were removed. */
export async function retire(
  { depot }: TestDepot,
  idents: readonly string[],
  { isDaily = false }: { isDaily?: boolean } = {},
): Promise<string[]> {
  const { retired } = await depot.writer.submit({
    kind: 'retireReleases',
    input: {
      releases: idents.map((ident) => ({ ident, target: DEFAULT_TARGET })),
      quarantineMs: 7 * DAY_MS,
      isDaily,
    },
    actor: OPERATOR,
  })
  return retired.map(({ ident }) => ident)
}

/** Compares the depot with its ledger. Returns a sentence for each contradiction. */
export async function faultsOf({ depot }: TestDepot): Promise<string[]> {
  const snapshot = await depot.engine.openSnapshot()
  try {
    const { findings } = await verifyDepot(snapshot.reader)
    return findings.map(({ place, detail }) => `${place}: ${detail}`)
  } finally {
    await snapshot.close()
  }
}

/** Returns another scheduler of the daily runs of a depot. */
export function schedulerOf({ depot }: TestDepot): Retention {
  return new Retention({ ...depot, quarantineMs: depot.config.quarantineMs })
}
