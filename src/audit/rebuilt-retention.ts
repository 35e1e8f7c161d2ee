import type { Db } from '../database/database.ts'
import type { LedgerEvent } from '../ledger/entry.ts'
import { listPins } from '../retention/pin-store.ts'
import {
  digestOfReleases,
  listRegisteredLockfiles,
  listRegisteredReleases,
} from '../retention/registered-store.ts'
import { listRules } from '../retention/rule-store.ts'
import { formatScope, isOfOrigin, parseScope, scopeNamed } from '../views/retention-rule.ts'

/**
 * Rebuilds retention rules, pinned revisions and registered lockfiles from ledger entries. Stores a
 * description of each, to compare with {@link describeRetention}.
 */
export class RebuiltRetention {
  readonly #rules = new Map<string, string>()
  readonly #pins = new Map<string, string>()
  readonly #lockfiles = new Map<string, string>()

  /** Applies the next event of the ledger. `at` is its time in epoch milliseconds. */
  take(event: LedgerEvent, at: number): void {
    if (event.kind === 'retention-set') {
      const scope = formatScope(scopeNamed(event))
      if (event.rule === null) this.#rules.delete(scope)
      else this.#rules.set(scope, describeRule(scope, event.rule, at))
    }
    if (event.kind === 'view-closed') this.#rules.delete(formatScope({ of: 'view', view: event.view }))
    if (event.kind === 'origin-deleted')
      for (const scope of this.#rules.keys())
        if (isOfOrigin(parseScope(scope), event.origin)) this.#rules.delete(scope)
    if (event.kind === 'revision-pinned') {
      const pin = `${event.view}@${event.pinned}`
      this.#pins.set(pin, describePin(pin, event.reason, at))
    }
    if (event.kind === 'revision-unpinned') this.#pins.delete(`${event.view}@${event.pinned}`)
    if (event.kind === 'lockfile-registered') {
      const { name, digest } = event
      const releases = digestOfReleases(event.releases)
      this.#lockfiles.set(name, describeLockfile({ name, digest, releases }, at))
    }
    if (event.kind === 'lockfile-unregistered') this.#lockfiles.delete(event.name)
  }

  /** Returns the description of each rule, pin and lockfile. */
  *values(): Iterable<string> {
    yield* this.#rules.values()
    yield* this.#pins.values()
    yield* this.#lockfiles.values()
  }
}

/** Describes the rules, pins and lockfiles in the database, in the words of {@link RebuiltRetention}. */
export async function describeRetention(db: Db): Promise<string[]> {
  const sentences: string[] = []
  for (const { scope, rule, since } of await listRules(db))
    sentences.push(describeRule(formatScope(scope), rule, since))
  for (const { view, revision, reason, since } of await listPins(db))
    sentences.push(describePin(`${view}@${revision}`, reason, since))
  for (const { name, digest, since } of await listRegisteredLockfiles(db)) {
    const releases = digestOfReleases(await listRegisteredReleases(db, name))
    sentences.push(describeLockfile({ name, digest, releases }, since))
  }
  return sentences
}

function describeRule(scope: string, rule: unknown, at: number): string {
  return `the retention rule of ${scope} since ${new Date(at).toISOString()}: ${JSON.stringify(rule)}`
}

function describePin(pin: string, reason: string, at: number): string {
  return `the pinned revision ${pin} since ${new Date(at).toISOString()}: ${reason}`
}

function describeLockfile(
  { name, digest, releases }: { name: string; digest: string; releases: string },
  at: number,
): string {
  return `the registered lockfile ${name} since ${new Date(at).toISOString()}, with the digest ${digest} and releases with the digest ${releases}`
}
