import { z } from 'zod'
import {
  MAX_MESSAGE_LENGTH,
  parseChangeName,
  parseLine,
  parseLink,
  parseProject,
} from '../../../changes/change-record.ts'
import { parseIdent } from '../../../package/ident.ts'
import { TARGETS } from '../../../package/target.ts'
import { CHANGE_STATES, PHASE_STATUSES, parsePhase } from '../../../views/phase.ts'
import { CHECKSUM, IDENT, LATER, NOW, TARGET } from '../conventions/examples.ts'
import {
  Checksum,
  Ident,
  Next,
  PageQuery,
  Target,
  Time,
  ViewName,
  named,
  textOf,
} from '../conventions/shapes.ts'

const MAX_LISTED_CHANGES = 100
const DEFAULT_LISTED_CHANGES = 20

const ID = '5b3c0f8a94e0fd1c1d8de9b2fd3a8f0e'
const NEWER_ID = '9c0f1b2a3d4e5f60718293a4b5c6d7e8'
const COMMIT = '4f1c9f1d4cfd2a14f4a9c1f33ad1fc94b1a1b3ab'
const REVIEW = 'https://git.example.com/acme/app/commit/4f1c9f1d'
const JOB = 'https://ci.example.com/jobs/4711'
const FENCE = 1_767_344_400_000

const Project = textOf(parseProject).describe('origin/name; the releases of the change are of this origin')
const Phase = textOf(parsePhase).describe(
  'lint, syntax, unit, security, quality and publish run once for each change; provision, deploy, smoke and functional run in each environment, and name a view. A site may have phases of its own, of lower-case letters, digits, - and _',
)
const View = z.string().describe('the view of the environment in which the phase runs')
const Fence = z.int().min(0).describe('the number of the lease; a later lease has a higher one')

export const ChangePath = z.object({ id: z.string() })

export const ChangesQuery = PageQuery.extend({
  limit: z.coerce.number().int().min(1).max(MAX_LISTED_CHANGES).default(DEFAULT_LISTED_CHANGES),
  project: z.string().optional(),
  change: z.string().optional(),
  view: z.string().optional().describe('only changes with a report of a phase in this view'),
  state: z.enum(CHANGE_STATES).optional(),
})

export const NewChange = named(
  'NewChange',
  z.strictObject({
    project: Project,
    change: textOf(parseChangeName).describe('a name that is unique within the project, such as the commit'),
    commit: textOf(parseChangeName),
    branch: textOf(parseLine).optional(),
    url: textOf(parseLink).optional().describe('where people read about the change; http or https'),
    targets: z
      .array(Target)
      .max(TARGETS.length)
      .optional()
      .describe('the targets for which the change is to be built'),
  }),
  { project: 'acme/app', change: COMMIT, commit: COMMIT, branch: 'main', url: REVIEW, targets: [TARGET] },
)

export const NewChangeRelease = named(
  'NewChangeRelease',
  z.strictObject({
    release: textOf(parseIdent).describe('a published release, origin/name/version/release'),
    target: Target.optional().describe('default: x86_64-linux if the ident has it, or its only target'),
    rebuild: z
      .boolean()
      .optional()
      .describe('whether the release replaces another one of its package for its target'),
  }),
  { release: IDENT, target: TARGET },
)

const reported = {
  phase: Phase,
  view: View.optional(),
  status: z
    .enum(PHASE_STATUSES)
    .describe('not_configured: the project has no such phase. Only passed satisfies a rule'),
  job: textOf(parseLink).optional().describe('the URL of the job that runs the phase; http or https'),
  message: z.string().min(1).max(MAX_MESSAGE_LENGTH).optional(),
}

export const NewPhaseReport = named(
  'NewPhaseReport',
  z.strictObject({
    ...reported,
    fence: Fence.optional().describe(
      'the fence of the lease under which the phase ran. Answers 409 lease_lost if the lease was taken again since',
    ),
  }),
  { phase: 'smoke', view: 'acceptance', status: 'passed', job: JOB },
)

export const NewLease = named(
  'NewLease',
  z.strictObject({
    phase: Phase,
    view: View.optional(),
    holder: textOf(parseLine).describe('who runs the phase; unique for each run, such as the URL of the job'),
    takeover: z
      .boolean()
      .default(false)
      .describe(
        'takes the lease even while another holder has it. Use it only if that holder is known to have stopped',
      ),
  }),
  { phase: 'smoke', view: 'acceptance', holder: JOB },
)
const lease = { phase: Phase, view: View.optional(), fence: Fence }
export const LeaseRenewal = named('LeaseRenewal', z.strictObject(lease), {
  phase: 'smoke',
  view: 'acceptance',
  fence: FENCE,
})
export const LeaseQuery = z.strictObject({ ...lease, fence: z.coerce.number().int().min(0) })

const change = z.object({
  id: z.string().describe('opaque'),
  project: z.string().describe('origin/name'),
  change: z.string(),
  commit: z.string(),
  branch: z.string().nullable(),
  url: z.string().nullable(),
  by: z.string().nullable().describe('the account; null for the operator'),
  at: Time,
  targets: z.array(Target),
  state: z
    .enum(CHANGE_STATES)
    .describe(
      'failed if any phase failed, else running if one runs, else passed if one passed, else recorded',
    ),
  releases: z
    .array(
      z.object({
        release: Ident,
        target: Target,
        checksum: Checksum,
        signer: z.string(),
        at: Time,
        replaced: z.boolean().describe('whether a rebuild replaced it in this change'),
      }),
    )
    .describe('in the order in which they were added'),
  phases: z
    .array(
      z.object({
        phase: z.string(),
        view: ViewName.nullable().describe('null for phases that run once for the change'),
        status: z.enum(PHASE_STATUSES),
        job: z.string().nullable(),
        message: z.string().nullable(),
        by: z.string().nullable(),
        at: Time,
        covers: z
          .int()
          .describe('how many releases the change had when the report came; the report is about these'),
      }),
    )
    .describe('the last report of each phase in each view, oldest first. The ledger has all reports'),
  delivered: z
    .array(ViewName)
    .describe('the views whose latest answers every release of the change that was not replaced'),
  newer: z.string().nullable().describe('the id of the newest change of the project, if it is later'),
  superseded_by: z
    .string()
    .nullable()
    .describe(
      'the id of a newer change of the project, if that one is the latest in some view and this one in none. Jobs that wait for this change should end',
    ),
})

const EXAMPLE: z.input<typeof change> = {
  id: ID,
  project: 'acme/app',
  change: COMMIT,
  commit: COMMIT,
  branch: 'main',
  url: REVIEW,
  by: 'ci',
  at: NOW,
  targets: [TARGET],
  state: 'passed',
  releases: [
    {
      release: IDENT,
      target: TARGET,
      checksum: CHECKSUM,
      signer: 'acme-20250101000000',
      at: NOW,
      replaced: false,
    },
  ],
  phases: [
    {
      phase: 'smoke',
      view: 'acceptance',
      status: 'passed',
      job: JOB,
      message: null,
      by: 'ci',
      at: NOW,
      covers: 1,
    },
  ],
  delivered: ['acceptance'],
  newer: NEWER_ID,
  superseded_by: null,
}

export const Change = named('Change', change, EXAMPLE)

export const Changes = named(
  'Changes',
  z.object({ changes: z.array(Change).describe('newest first'), next: Next }),
  { changes: [EXAMPLE], next: null },
)

export const Lease = named(
  'Lease',
  z.object({ fence: Fence, expires_at: Time.describe('60 seconds after it was taken or renewed') }),
  { fence: FENCE, expires_at: LATER },
)
