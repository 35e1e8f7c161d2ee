import { z } from 'zod'
import { DepotError, quote } from '../../../errors.ts'
import { POSITION } from '../../../ledger/position.ts'
import { TARGETS } from '../../../package/target.ts'
import { VIEW_RULES } from '../../../views/rule.ts'
import { REQUESTED_ACTS } from '../../../views/view.ts'
import type { ChangeFields } from '../../api/promotions/parse-change.ts'
import { OptionalText } from '../html/query.ts'

// The form with which a person describes a change of a view.

export const MAX_RELEASES_LENGTH = 512 * 1024

export const ChangeForm = z.object({
  view: z.string().max(255),
  act: z.enum(REQUESTED_ACTS).default('promote'),
  /** The view whose latest releases are promoted or demoted. */
  from: OptionalText,
  /** A revision or a date of that view. */
  at: OptionalText,
  /** Idents, one a line, each perhaps with a target. */
  releases: z
    .string()
    .max(MAX_RELEASES_LENGTH)
    .transform((text) => text.trim() || undefined)
    .optional(),
  with_deps: z.literal('1').optional(),
  /** The revision or date that a rollback restores. */
  to: OptionalText,
  /** The revision that a revert undoes. */
  revision: OptionalText,
  /** What latest will mean. */
  rule: z.enum(VIEW_RULES).optional(),
  origin: OptionalText,
  name: OptionalText,
  reason: OptionalText,
})
export type ChangeForm = z.infer<typeof ChangeForm>

/** Returns the change that a form describes, for {@link parseChange}. Throws `invalid_request`. */
export function fieldsOf(form: ChangeForm): ChangeFields {
  const { act, from, at, releases, to, revision, rule, origin, name } = form
  const only = { ...(origin !== undefined && { origin }), ...(name !== undefined && { name }) }
  switch (act) {
    case 'promote':
    case 'demote':
      if (releases !== undefined && from !== undefined)
        throw new DepotError('invalid_request', 'choose a view or list releases, not both')
      if (releases !== undefined) return { releases: releasesOf(releases), ...withDeps(form) }
      return {
        ...(from !== undefined && { from: { view: from, ...(at !== undefined && { at }), ...only } }),
        ...withDeps(form),
      }
    case 'rollback':
      return { ...(to !== undefined && { to }), ...only }
    case 'revert':
      if (revision !== undefined && !POSITION.test(revision))
        throw new DepotError('invalid_request', `${quote(revision)} is not a revision`)
      return { ...(revision !== undefined && { revision }), ...only }
    case 'set-rule':
      return { ...(rule !== undefined && { rule }) }
    default:
      return act satisfies never
  }
}

function withDeps({ act, with_deps: value }: ChangeForm): Pick<ChangeFields, 'with_deps'> {
  return act === 'promote' && value === '1' ? { with_deps: true } : {}
}

/** Parses lines such as `acme/app/1.0.0/20260101000000 x86_64-linux`. Throws `invalid_request`. */
function releasesOf(text: string): NonNullable<ChangeFields['releases']> {
  const lines = text.split('\n').map((line) => line.trim())
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const [ident = '', word, ...rest] = line.split(/\s+/)
      const target = TARGETS.find((each) => each === word)
      if (rest.length > 0 || (word !== undefined && target === undefined))
        throw new DepotError('invalid_request', `${line}: write an ident, and perhaps a target, on each line`)
      return { ident, ...(target !== undefined && { target }) }
    })
}
