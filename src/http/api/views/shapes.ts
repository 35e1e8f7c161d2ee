import { z } from 'zod'
import { isOriginName } from '../../../package/ident.ts'
import { VIEW_RULES } from '../../../views/rule.ts'
import { parseViewName } from '../../../views/view.ts'
import { NOW, PLAN, REVISION_ID, YESTERDAY } from '../conventions/examples.ts'
import { Next, Revision, RevisionId, Time, ViewName, named, textOf } from '../conventions/shapes.ts'
import { Frozen } from '../gates/shapes.ts'
import { ChangeOptions, PromotionAnswer } from '../promotions/shapes.ts'

// Shapes of views and previews.

const MAX_UNGOVERNED = 100
const UNGOVERNED =
  'origins whose packages come from the channel that a request names, if the view does not have them. This is about requests below the URL of the view'

export const Ungoverned = z
  .array(z.string().refine(isOriginName, "must be an origin's name"))
  .max(MAX_UNGOVERNED)
  .describe(UNGOVERNED)

export const NewView = named(
  'NewView',
  z.strictObject({
    name: textOf(parseViewName),
    rule: z
      .enum(VIEW_RULES)
      .default('promoted')
      .describe('whether latest is the release promoted last or the highest version'),
  }),
  { name: 'staging', rule: 'promoted' },
)

export const ViewBody = named(
  'ViewSettings',
  z
    .strictObject({
      rule: z
        .enum(VIEW_RULES)
        .optional()
        .describe(
          'the meaning of latest. Changing it makes a revision; a plan with act "set-rule" shows it in advance',
        ),
      ungoverned: Ungoverned.optional(),
      ...ChangeOptions,
    })
    .refine(
      ({ rule, ungoverned }) => rule !== undefined || ungoverned !== undefined,
      'must set rule, ungoverned, or both',
    ),
  { ungoverned: ['core'] },
)

export const PreviewBody = named(
  'NewPreview',
  z.strictObject({
    name: z.string().describe('the name of the new view'),
    plan: z.string().describe('the ID of a draft or proposal for the view in the URL'),
  }),
  { name: 'union-preview', plan: PLAN },
)

const view = z.object({
  name: ViewName,
  rule: z.enum(VIEW_RULES),
  maker: z
    .enum(['depot', 'operator', 'client'])
    .describe(
      'who made it: the depot at its first start, an administrator, or a client of Habitat, by using a new channel',
    ),
  revision: Revision.describe('the latest revision; 0 until something has changed the view'),
  created_at: Time,
  ungoverned: z.array(z.string()).describe(UNGOVERNED),
})

const EXAMPLE: z.input<typeof view> = {
  name: 'acceptance',
  rule: 'promoted',
  maker: 'depot',
  revision: 12,
  created_at: YESTERDAY,
  ungoverned: ['core'],
}

export const View = named('View', view, EXAMPLE)

export const ViewDetail = named(
  'ViewDetail',
  view.extend({
    revision_id: RevisionId,
    revised_at: Time.nullable(),
    closed_at: Time.nullable(),
    packages: z.int().describe('the number of packages, counted per target, that have a latest release'),
    frozen: Frozen.nullable(),
    preview_of: ViewName.nullable().describe(
      'the view that this preview shows with a plan applied; null if this is no preview',
    ),
  }),
  {
    ...EXAMPLE,
    revision_id: REVISION_ID,
    revised_at: NOW,
    closed_at: null,
    packages: 1,
    frozen: null,
    preview_of: null,
  },
)

export const Views = named('Views', z.object({ views: z.array(View), next: Next }), {
  views: [EXAMPLE],
  next: null,
})

export const ViewChange = named(
  'ViewChange',
  z.object({
    view: View,
    change: PromotionAnswer.nullable().describe('the effect of a new rule; null if the rule did not change'),
  }),
  { view: EXAMPLE, change: null },
)
