import { z } from 'zod'
import { DepotError } from '../../../errors.ts'
import { parsePeriod } from '../../../text/period.ts'
import { GatesBody } from '../../api/gates/shapes.ts'
import { OptionalAccounts, OptionalText, RepeatedText, namesIn, parseFields } from '../html/query.ts'
import { ReadDigest } from './read-field.ts'

// The form for the gates of a view. It describes the same JSON as the request of the API.

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const

const Choice = z.string().max(20)

export const GatesForm = z.object({
  /** The digest of the gates that the form was made from. */
  read: ReadDigest,
  /** One of each for a requirement; a requirement without a view is left out. */
  requires_view: RepeatedText,
  requires_as: RepeatedText,
  requires_soak: RepeatedText,
  requires_phases: RepeatedText,
  closure: Choice,
  downgrade: Choice.optional(),
  settle: OptionalText,
  promoters: OptionalAccounts,
  approval: z.literal('1').optional(),
  approvers: OptionalAccounts,
  expires: OptionalText,
  overriders: OptionalAccounts,
  override: OptionalText,
})
export type GatesForm = z.infer<typeof GatesForm>

/** Returns the JSON that a form describes. Throws `invalid_request`. */
export function gatesBodyOf(form: GatesForm): z.infer<typeof GatesBody> {
  const body = {
    requires: form.requires_view.flatMap((view, index) =>
      view.trim() === ''
        ? []
        : [
            {
              view: view.trim(),
              as: form.requires_as[index],
              soak_seconds: secondsOf(form.requires_soak[index]) ?? 0,
              phases: namesIn(form.requires_phases[index]) ?? [],
            },
          ],
    ),
    closure: form.closure === '' ? null : form.closure,
    downgrade: form.downgrade ?? null,
    settle_seconds: secondsOf(form.settle) ?? null,
    promoters: form.promoters ?? null,
    approval:
      form.approval === undefined
        ? null
        : { approvers: form.approvers ?? null, expires_seconds: secondsOf(form.expires) },
    overriders: form.overriders ?? null,
    ...(form.override !== undefined && { override: { reason: form.override } }),
  }
  return parseFields(GatesBody, body)
}

/** Formats seconds in the largest unit that fits: `90m`, `2d`. */
export function formatSeconds(seconds: number): string {
  const [unit, length] = UNITS.find(([, size]) => seconds % size === 0) ?? UNITS[3]
  return `${seconds / length}${unit}`
}

function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === '') return undefined
  const ms = parsePeriod(text.trim())
  if (ms === undefined)
    throw new DepotError('invalid_request', `${text}: write a time such as 30s, 90m, 6h or 2d`)
  return ms / 1_000
}
