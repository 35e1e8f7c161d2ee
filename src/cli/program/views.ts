import type { ACTS } from '../remote/views/acts.ts'
import type { Entries, Entry } from './entry.ts'

function change(act: keyof typeof ACTS): Entry['load'] {
  return async () => {
    const [{ changeCommand }, { ACTS }] = await Promise.all([
      import('../remote/views/change-view.ts'),
      import('../remote/views/acts.ts'),
    ])
    return changeCommand(ACTS[act])
  }
}

/** Commands that change views, look at them, and run pipelines. */
export const VIEWS: Entries = {
  'Change views': [
    {
      name: 'promote',
      summary: 'promote releases into a view',
      load: change('promote'),
    },
    {
      name: 'demote',
      summary: 'remove releases from a view',
      load: change('demote'),
    },
    {
      name: 'rollback',
      summary: 'restore an earlier state of a view; by default, undo the last move',
      load: change('rollback'),
    },
    {
      name: 'revert',
      summary: 'undo one revision of a view, and keep the later ones',
      load: change('revert'),
    },
    {
      name: 'set-rule',
      summary: 'set what latest means in a view',
      load: change('setRule'),
    },
    {
      name: 'plan',
      summary: 'show what a change, or views in files, would change and what blocks it',
      load: async () => (await import('../remote/views/plans.ts')).plan,
    },
    {
      name: 'apply',
      summary: 'make the change of a plan, or make views as files describe them',
      load: async () => (await import('../remote/views/plans.ts')).apply,
    },
    {
      name: 'propose',
      summary: 'propose a change that a second person must approve',
      load: async () => (await import('../remote/views/plans.ts')).propose,
    },
    {
      name: 'approve',
      summary: 'approve a proposal, and make its change',
      load: async () => (await import('../remote/views/plans.ts')).approve,
    },
    {
      name: 'reject',
      summary: 'end a proposal without making its change',
      load: async () => (await import('../remote/views/plans.ts')).reject,
    },
    {
      name: 'proposals',
      summary: 'list proposals',
      load: async () => (await import('../remote/views/plans.ts')).proposals,
    },
    {
      name: 'freeze',
      summary: 'refuse changes of a view or of all views, for a time',
      load: async () => (await import('../remote/views/rules.ts')).freeze,
    },
    {
      name: 'thaw',
      summary: 'end a freeze',
      load: async () => (await import('../remote/views/rules.ts')).thaw,
    },
    {
      name: 'gates',
      summary: 'show or replace the gates of a view',
      load: async () => (await import('../remote/views/rules.ts')).gates,
    },
    {
      name: 'export',
      summary: 'write views as YAML, for plan -f and apply -f',
      load: async () => (await import('../remote/views/export.ts')).exportViews,
    },
    {
      name: 'view create',
      summary: 'create a view',
      load: async () => (await import('../remote/views/views.ts')).viewCreate,
    },
    {
      name: 'view close',
      summary: 'close a preview, or an empty view',
      load: async () => (await import('../remote/views/views.ts')).viewClose,
    },
  ],
  'Run a pipeline': [
    {
      name: 'change record',
      summary: 'record a change of a project, and the releases that were built from it',
      load: async () => (await import('../remote/changes.ts')).changeRecord,
    },
    {
      name: 'change report',
      summary: 'report how a phase of a change stands',
      load: async () => (await import('../remote/changes.ts')).changeReport,
    },
    {
      name: 'change show',
      summary: 'show a change with its releases and phases',
      load: async () => (await import('../remote/changes.ts')).changeShow,
    },
    {
      name: 'change list',
      summary: 'list changes',
      load: async () => (await import('../remote/changes.ts')).changeList,
    },
    {
      name: 'pipeline',
      summary: 'run a phase of the pipeline of a project',
      load: async () => (await import('../pipeline/pipeline.ts')).pipeline,
    },
  ],
  Look: [
    {
      name: 'views',
      summary: 'list the views',
      load: async () => (await import('../remote/views/views.ts')).views,
    },
    {
      name: 'view',
      summary: 'show what is latest in a view, now or in the past',
      load: async () => (await import('../remote/views/views.ts')).view,
    },
    {
      name: 'history',
      summary: 'list the revisions of a view',
      load: async () => (await import('../remote/views/history.ts')).history,
    },
    {
      name: 'diff',
      summary: 'compare two views, or two states of a view',
      load: async () => (await import('../remote/views/history.ts')).diff,
    },
    {
      name: 'lockfile',
      summary: 'print a signed lockfile of what is latest in a view',
      load: async () => (await import('../remote/views/lockfile.ts')).lockfile,
    },
    {
      name: 'events',
      summary: 'show the ledger, or follow it',
      load: async () => (await import('../remote/following/events.ts')).events,
    },
    {
      name: 'wait',
      summary: 'wait until a release is latest in a view',
      load: async () => (await import('../remote/following/wait.ts')).wait,
    },
    {
      name: 'fleet',
      summary: 'show what Supervisors run, and whether they have followed a view',
      load: async () => (await import('../remote/following/fleet.ts')).fleet,
    },
    {
      name: 'pollers',
      summary: 'show estimates of how many clients poll for each package, and failed polls',
      load: async () => (await import('../remote/following/pollers.ts')).pollers,
    },
    {
      name: 'follow',
      summary: 'update this machine by a program whenever a view moves',
      load: async () => (await import('../remote/following/follow.ts')).follow,
    },
    {
      name: 'bisect',
      summary: 'find the revision of a view that broke something',
      load: async () => (await import('../remote/views/bisect.ts')).bisect,
    },
  ],
}
