import { createHash } from 'node:crypto'
import type { z } from 'zod'
import { audienceOfChanges } from '../../access/access.ts'
import type { Audience, Session } from '../../access/access.ts'
import type { Depot } from '../../depot/open.ts'
import type { Db } from '../../database/database.ts'
import { DepotError, refusalOf } from '../../errors.ts'
import type { ErrorPart } from '../../errors.ts'
import { parsePosition } from '../../ledger/position.ts'
import type { Position } from '../../ledger/position.ts'
import { makePackageName, parseIdent } from '../../package/ident.ts'
import { DEFAULT_TARGET } from '../../package/target.ts'
import type { Target } from '../../package/target.ts'
import { listTargetsOf } from '../../releases/release-store.ts'
import type { ChangeRequest, Only, ReleaseSource } from '../../views/change-request.ts'
import type { Asking } from '../../commands/views/promote.ts'
import type { ViewRule } from '../../views/rule.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import { lockfileSource } from './lockfile-source.ts'
import type { PlanBody } from './change-shapes.ts'
import { momentOf, revisionOf } from './moment.ts'
import type { PromotionHeaders } from './shapes.ts'

/** What of a request says which change is meant: any of the bodies of change-shapes.ts. */
export type ChangeBody = Partial<z.infer<typeof PlanBody>>

/** What of a request says how. */
export interface ChangeRequestParts {
  readonly method: string
  readonly url: string
  readonly headers: z.infer<typeof PromotionHeaders>
  readonly body: {
    readonly reason?: string | undefined
    readonly expect_revision?: number | string | undefined
    readonly override?: { readonly reason: string } | undefined
  }
}

/** Throws `invalid_request`, naming the part of the body. */
export async function parseChange(
  depot: Depot,
  act: ChangeRequest['act'],
  asked: { view: string; body: ChangeBody; caller: Session },
): Promise<ChangeRequest> {
  const { view, body, caller } = asked
  expectMeant(act, body)
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
const ASIDE = ['with_deps', 'exact', 'to', 'revision', 'origin', 'name', 'rule'] as const
const MEANT: Readonly<Record<ChangeRequest['act'], readonly string[]>> = {
  promote: [...SOURCES, 'with_deps', 'exact'],
  demote: SOURCES,
  rollback: ['to', 'origin', 'name'],
  revert: ['revision', 'origin', 'name'],
  'set-rule': ['rule'],
}

/** What has no meaning for an act is refused: a rollback that names releases would still go back with everything. */
function expectMeant(act: ChangeRequest['act'], body: ChangeBody): void {
  const strays = [...SOURCES, ...ASIDE].filter(
    (field) => body[field] !== undefined && !MEANT[act].includes(field),
  )
  if (strays.length > 0)
    throw refusalOf(
      'invalid_request',
      strays.map((field) => ({ detail: `a ${act} has no ${field}`, pointer: `/${field}` })),
    )
}

type Past<Act> = Omit<Extract<ChangeRequest, { act: Act }>, 'view'>

function parsePast(act: 'rollback' | 'revert', body: ChangeBody): Past<'rollback'> | Past<'revert'> {
  const only = parseOnly(body)
  if (act === 'revert') {
    if (body.revision === undefined)
      throw missing('/revision', 'a revert needs the revision that it takes back')
    return { act, ...revisionOf(parsePosition(String(body.revision))), ...(only && { only }) }
  }
  const to = momentOf(body.to === undefined ? undefined : String(body.to), '/to')
  if (to === undefined) throw missing('/to', 'a rollback needs the revision or time that it goes back to')
  return { act, to, ...(only && { only }) }
}

function parseRule({ rule }: ChangeBody): ViewRule {
  if (rule === undefined) throw missing('/rule', 'a set-rule needs the rule that it sets')
  return rule
}

/** Throws `ident_malformed`. */
export function parseOnly({
  origin,
  name,
}: {
  origin?: string | undefined
  name?: string | undefined
}): Only | undefined {
  makePackageName({ origin: origin ?? 'any', name: name ?? 'any' })
  if (origin === undefined && name === undefined) return undefined
  return { ...(origin !== undefined && { origin }), ...(name !== undefined && { name }) }
}

/** The origins of releases that are named one by one, or that a change is restricted to: rights to these are asked before anything is looked up. */
export function originsOf({ releases = [], origin }: ChangeBody): Set<string> {
  return new Set([
    ...releases.map(({ ident }) => parseIdent(ident).origin),
    ...(origin === undefined ? [] : [origin]),
  ])
}

/** For the log. */
export function subjectOf(
  act: string,
  view: string,
  { releases = [], from, lockfile, to, revision, rule }: ChangeBody,
): string {
  const [first] = releases
  const others = releases.length > 1 ? ` and ${releases.length - 1} more` : ''
  const what =
    first === undefined
      ? (from?.view ?? (lockfile === undefined ? to : 'a lockfile') ?? revision ?? rule ?? '')
      : `${first.ident}${others}`
  return `${act} ${what}, ${view}`
}

/** How a change is asked for. Throws `invalid_request` for an `If-Match` that is none, or disagrees with the body. */
export function parseOptions(asked: ChangeRequestParts): Asking {
  const { reason, override } = asked.body
  const expected = expectedRevision(asked)
  const idempotency = idempotencyOf(
    asked,
    expected?.mark === undefined ? expected?.number : `${expected.number}-${expected.mark}`,
  )
  return {
    ...(reason !== undefined && { reason }),
    ...(override !== undefined && { override }),
    ...(expected !== undefined && { expectRevision: expected.number }),
    ...(expected?.mark !== undefined && { expectMark: expected.mark }),
    ...(idempotency !== undefined && { idempotency }),
  }
}

/** The body was parsed, and so has its fields in the schema's order: it is canonical as it is. */
export function idempotencyOf(
  { method, url, headers, body }: ChangeRequestParts,
  expectRevision?: number | string,
): IdempotencyKey | undefined {
  const key = headers['idempotency-key']
  if (key === undefined) return undefined
  const question = JSON.stringify({ ...body, expect_revision: expectRevision })
  return { key, requestHash: createHash('sha256').update(`${method} ${url}\n${question}`).digest('hex') }
}

async function parseSource(depot: Depot, body: ChangeBody, audience: Audience): Promise<ReleaseSource> {
  const { releases, from, lockfile } = body
  const ways = [releases, from, lockfile].filter((way) => way !== undefined).length
  if (ways === 1 && releases !== undefined)
    return { releases: await withTargets(depot.db, releases, audience) }
  if (ways === 1 && lockfile !== undefined)
    return lockfileSource(depot, lockfile, { audience, isExact: body.exact === true })
  if (ways !== 1 || from === undefined)
    throw missing('', 'say what to move, in one way: releases, from, or lockfile')
  const at = momentOf(from.at === undefined ? undefined : String(from.at), '/from/at')
  return {
    from: from.view,
    ...(at !== undefined && { at }),
    ...(from.origin !== undefined && { origin: from.origin }),
    ...(from.name !== undefined && { name: from.name }),
  }
}

/**
 * The body's, or that of `If-Match: "12"`. An entity tag of a view begins with its `revision_id`, and what follows depends on who asked;
 * one that an earlier version gave begins with the revision alone.
 */
function expectedRevision({ headers, body }: ChangeRequestParts): Position | undefined {
  const header = headers['if-match']?.trim()
  const expected =
    body.expect_revision === undefined ? undefined : parsePosition(String(body.expect_revision))
  if (header === undefined || header === '*') return expected
  const [, digits, mark] = /^"(\d{1,15})(?:-([0-9a-f]{16})(?=[-"]))?(?:-[^"]*)?"$/.exec(header) ?? []
  if (digits === undefined)
    throw new DepotError('invalid_request', 'If-Match must be the entity tag of the view, as "12"')
  if (expected !== undefined && expected.number !== Number(digits))
    throw new DepotError('invalid_request', 'If-Match and expect_revision name different revisions')
  return { number: Number(digits), mark: mark ?? expected?.mark }
}

/** A release named without a target is that for `x86_64-linux` or, failing it, the only one. Throws `invalid_request` where there are several others. */
async function withTargets(
  db: Db,
  releases: NonNullable<ChangeBody['releases']>,
  audience: Audience,
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
        detail: `${ident} is there for ${targets.join(', ')}: say which target`,
        pointer: `/releases/${index}/target`,
      })
    }
    named.push({ ident, target: targets.includes(DEFAULT_TARGET) ? DEFAULT_TARGET : first })
  }
  if (unclear.length > 0) throw refusalOf('invalid_request', unclear)
  return named
}

function missing(pointer: string, detail: string): DepotError {
  return refusalOf('invalid_request', [{ detail, pointer }])
}
