import { z } from 'zod'
import { DepotError } from '../../../errors.ts'
import { parsePeriod } from '../../../text/period.ts'
import { shapeFault } from '../../../text/shape-fault.ts'
import { GatesBody } from '../../api/gates/shapes.ts'
import type { GateSettings } from '../../api/gates/shapes.ts'
import { OptionalText, namesIn } from '../html/query.ts'

// The form for the gates of a view. It describes the same JSON as the request of the API.

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const

/** Fields that a form repeats: one field arrives as a text, several as an array. */
const Repeated = z
  .union([z.string().max(600), z.array(z.string().max(600)).max(20)])
  .transform((value) => (typeof value === 'string' ? [value] : value))
  .default([])
const Choice = z.string().max(20)

export const GatesForm = z.object({
  /** One of each for a requirement; a requirement without a view is left out. */
  requires_view: Repeated,
  requires_as: Repeated,
  requires_soak: Repeated,
  requires_phases: Repeated,
  closure: Choice,
  downgrade: Choice.optional(),
  settle: OptionalText,
  promoters: OptionalText,
  approval: z.literal('1').optional(),
  approvers: OptionalText,
  expires: OptionalText,
  overriders: OptionalText,
  override: OptionalText,
})
export type GatesForm = z.infer<typeof GatesForm>

/** Returns the form that describes the given gates. */
export function gatesFormOf({
  requires,
  closure,
  downgrade,
  settle_seconds: settle,
  promoters,
  approval,
  overriders,
}: z.infer<typeof GateSettings>): GatesForm {
  return {
    requires_view: requires.map(({ view }) => view),
    requires_as: requires.map(({ as }) => as),
    requires_soak: requires.map(({ soak_seconds: soak }) => (soak === 0 ? '' : formatSeconds(soak))),
    requires_phases: requires.map(({ phases }) => phases.join(', ')),
    closure: closure ?? '',
    downgrade: downgrade ?? undefined,
    settle: settle === null ? undefined : formatSeconds(settle),
    promoters: promoters?.join(', '),
    approval: approval === null ? undefined : '1',
    approvers: approval?.approvers?.join(', '),
    expires: approval === null ? undefined : formatSeconds(approval.expires_seconds),
    overriders: overriders?.join(', '),
  }
}

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
    promoters: namesIn(form.promoters) ?? null,
    approval:
      form.approval === undefined
        ? null
        : { approvers: namesIn(form.approvers) ?? null, expires_seconds: secondsOf(form.expires) },
    overriders: namesIn(form.overriders) ?? null,
    ...(form.override !== undefined && { override: { reason: form.override } }),
  }
  const parsed = GatesBody.safeParse(body, { error: shapeFault })
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new DepotError('invalid_request', `${issue?.path.join(' ') ?? 'gates'}: ${issue?.message ?? ''}`)
}

/** Formats seconds in the largest unit that fits: `90m`, `2d`. */
function formatSeconds(seconds: number): string {
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
