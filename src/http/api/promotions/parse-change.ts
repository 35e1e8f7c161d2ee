import type { z } from 'zod'
import { audienceOfChanges } from '../../../access/access.ts'
import type { Audience, Session } from '../../../access/access.ts'
import type { ChangeOptions } from '../../../commands/views/promote.ts'
import type { Db } from '../../../database/database.ts'
import type { Depot } from '../../../depot/depot.ts'
import { DepotError, refusalOf } from '../../../errors.ts'
import type { ErrorPart } from '../../../errors.ts'
import { parsePosition } from '../../../ledger/position.ts'
import type { Position } from '../../../ledger/position.ts'
import { parseIdent } from '../../../package/ident.ts'
import { DEFAULT_TARGET } from '../../../package/target.ts'
import type { Target } from '../../../package/target.ts'
import { listTargetsOf } from '../../../releases/release-store.ts'
import type { ChangeRequest, ReleaseSource } from '../../../views/change-request.ts'
import type { ViewRule } from '../../../views/rule.ts'
import { idempotencyOf } from '../conventions/idempotency.ts'
import { momentOf, revisionOf } from '../conventions/moment.ts'
import { parsePackageFilter } from '../conventions/package-filter.ts'
import { lockfileSource } from './lockfile-source.ts'
import type * as shapes from './shapes.ts'

/** The fields of a request that describe the change, from any of the bodies in shapes.ts. */
export type ChangeFields = Partial<z.infer<typeof shapes.ChangeBody>>

/** The parts of a request that say how to make the change. */
export interface ChangeRequestParts {
  readonly method: string
  readonly url: string
  readonly headers: z.infer<typeof shapes.PromotionHeaders>
  readonly body: {
    readonly reason?: string | undefined
    readonly expect_revision?: number | string | undefined
    readonly override?: { readonly reason: string } | undefined
  }
}

/**
 * Parses a change. Throws `invalid_request` with a pointer to the faulty part of the body, and the errors of
 * {@link lockfileSource}.
 */
export async function parseChange(
  depot: Depot,
  act: ChangeRequest['act'],
  { view, body, caller }: { view: string; body: ChangeFields; caller: Session },
): Promise<ChangeRequest> {
  expectFieldsOf(act, body)
  const base = { view }
  if (act === 'rollback' || act === 'revert') return { ...base, ...parsePast(act, body) }
  if (act === 'set-rule') return { ...base, act, rule: parseRule(body) }
  const source = await parseSource(depot, body, audienceOfChanges(caller))
  if (act === 'demote') return { ...base, act, source }
  return {
    ...base,
    act,
    source,
    ...(body.with_deps !== undefined && { withDeps: body.with_deps }),
    ...(body.exact !== undefined && { isExact: body.exact }),
  }
}

const SOURCES = ['releases', 'from', 'lockfile'] as const
const OTHER_FIELDS = ['target', 'with_deps', 'exact', 'to', 'revision', 'origin', 'name', 'rule'] as const
const FIELDS_OF: Readonly<Record<ChangeRequest['act'], readonly string[]>> = {
  promote: [...SOURCES, 'target', 'with_deps', 'exact'],
  demote: [...SOURCES, 'target'],
  rollback: ['to', 'origin', 'name'],
  revert: ['revision', 'origin', 'name'],
  'set-rule': ['rule'],
}

/**
 * Refuses fields that the act does not use. A rollback that lists releases, for example, would otherwise roll
 * back everything.
 */
function expectFieldsOf(act: ChangeRequest['act'], body: ChangeFields): void {
  const unexpected = [...SOURCES, ...OTHER_FIELDS].filter(
    (field) => body[field] !== undefined && !FIELDS_OF[act].includes(field),
  )
  if (unexpected.length > 0)
    throw refusalOf(
      'invalid_request',
      unexpected.map((field) => ({ detail: `a ${act} takes no ${field}`, pointer: `/${field}` })),
    )
}

/** A rollback or revert, without the view that it changes. */
type Past<Act> = Omit<Extract<ChangeRequest, { act: Act }>, 'view'>

function parsePast(act: 'rollback' | 'revert', body: ChangeFields): Past<'rollback'> | Past<'revert'> {
  const only = parsePackageFilter(body)
  if (act === 'revert') {
    if (body.revision === undefined) throw invalid('/revision', 'a revert needs the revision to undo')
    return { act, ...revisionOf(parsePosition(String(body.revision))), ...(only && { only }) }
  }
  const to = momentOf(body.to === undefined ? undefined : String(body.to), '/to')
  if (to === undefined) throw invalid('/to', 'a rollback needs a revision or time to restore')
  return { act, to, ...(only && { only }) }
}

function parseRule({ rule }: ChangeFields): ViewRule {
  if (rule === undefined) throw invalid('/rule', 'a set-rule needs a rule')
  return rule
}

/**
 * Returns the origins of the listed releases and of the restriction. Routes check the rights of the caller in
 * these origins before any lookup.
 */
export function originsOf({ releases = [], origin }: ChangeFields): Set<string> {
  return new Set([
    ...releases.map(({ ident }) => parseIdent(ident).origin),
    ...(origin === undefined ? [] : [origin]),
  ])
}

/** Describes a change for the log. */
export function subjectOf(
  act: string,
  view: string,
  { releases = [], from, lockfile, to, revision, rule }: ChangeFields,
): string {
  const [first] = releases
  const others = releases.length > 1 ? ` and ${releases.length - 1} more` : ''
  const what =
    first === undefined
      ? (from?.view ?? (lockfile === undefined ? to : 'a lockfile') ?? revision ?? rule ?? '')
      : `${first.ident}${others}`
  return `${act} ${what}, ${view}`
}

/**
 * Parses how to make a change. Throws `invalid_request` for an `If-Match` that is malformed or contradicts
 * the body.
 */
export function parseOptions(request: ChangeRequestParts): ChangeOptions {
  const { reason, override } = request.body
  const expected = expectedRevision(request)
  const expectRevision =
    expected?.mark === undefined ? expected?.number : `${expected.number}-${expected.mark}`
  return {
    ...(reason !== undefined && { reason }),
    ...(override !== undefined && { override }),
    ...(expected !== undefined && { expectRevision: expected.number }),
    ...(expected?.mark !== undefined && { expectMark: expected.mark }),
    ...idempotencyOf({ ...request, body: { ...request.body, expect_revision: expectRevision } }),
  }
}

async function parseSource(depot: Depot, body: ChangeFields, audience: Audience): Promise<ReleaseSource> {
  const { releases, target, from, lockfile } = body
  const count = [releases, from, lockfile].filter((source) => source !== undefined).length
  if (count === 1 && releases !== undefined) {
    const named = releases.map((release) => ({ ident: release.ident, target: release.target ?? target }))
    return {
      releases: await withTargets(depot.db, named, { audience, pointerTo: (index) => `/releases/${index}` }),
    }
  }
  if (target !== undefined) throw invalid('/target', 'a target needs releases, of which it is the target')
  if (count === 1 && lockfile !== undefined)
    return lockfileSource(depot, lockfile, { audience, isExact: body.exact === true })
  if (count !== 1 || from === undefined)
    throw invalid('', 'exactly one of releases, from and lockfile is required')
  const at = momentOf(from.at === undefined ? undefined : String(from.at), '/from/at')
  return {
    from: from.view,
    ...(at !== undefined && { at }),
    ...(from.origin !== undefined && { origin: from.origin }),
    ...(from.name !== undefined && { name: from.name }),
  }
}

/**
 * Returns the expected revision from the body or from `If-Match: "12"`. The entity tag of a view starts with
 * its `revision_id`; the rest depends on the caller. Tags of earlier versions start with the revision alone.
 * nginx makes tags weak (`W/`) when it compresses answers.
 */
function expectedRevision({ headers, body }: ChangeRequestParts): Position | undefined {
  const header = headers['if-match']?.trim()
  const expected =
    body.expect_revision === undefined ? undefined : parsePosition(String(body.expect_revision))
  if (header === undefined || header === '*') return expected
  const [, digits, mark] = /^(?:W\/)?"(\d{1,15})(?:-([0-9a-f]{16})(?=[-"]))?(?:-[^"]*)?"$/.exec(header) ?? []
  if (digits === undefined)
    throw new DepotError('invalid_request', 'If-Match must be the entity tag of the view, for example "12"')
  const isOtherMark = mark !== undefined && expected?.mark !== undefined && mark !== expected.mark
  if (expected !== undefined && (expected.number !== Number(digits) || isOtherMark))
    throw new DepotError('invalid_request', 'If-Match and expect_revision name different revisions')
  return { number: Number(digits), mark: mark ?? expected?.mark }
}

/**
 * Adds missing targets. A release without a target gets `x86_64-linux` if the ident exists for it or does not
 * exist, and otherwise the only target of the ident. Throws `invalid_request` if the ident has several other
 * targets; `pointerTo` returns the pointer to a release by its index.
 */
export async function withTargets(
  db: Db,
  releases: NonNullable<ChangeFields['releases']>,
  { audience, pointerTo }: { audience: Audience; pointerTo: (index: number) => string },
): Promise<{ ident: string; target: Target }[]> {
  const known = await listTargetsOf(
    db,
    releases.flatMap(({ ident, target }) => (target === undefined ? [ident] : [])),
    audience,
  )
  const named: { ident: string; target: Target }[] = []
  const unclear: ErrorPart[] = []
  for (const [index, { ident, target }] of releases.entries()) {
    const targets = target === undefined ? (known.get(ident) ?? []) : [target]
    const [first = DEFAULT_TARGET] = targets
    if (targets.length > 1 && !targets.includes(DEFAULT_TARGET)) {
      unclear.push({
        detail: `${ident} exists for ${targets.join(', ')}: choose a target`,
        pointer: `${pointerTo(index)}/target`,
      })
    }
    named.push({ ident, target: targets.includes(DEFAULT_TARGET) ? DEFAULT_TARGET : first })
  }
  if (unclear.length > 0) throw refusalOf('invalid_request', unclear)
  return named
}

function invalid(pointer: string, detail: string): DepotError {
  return refusalOf('invalid_request', [{ detail, pointer }])
}
