import type { GateSettings, StateChange, StatePlan } from '../../../client/operations.ts'
import { printable } from '../../../text/columns.ts'
import type { Output } from '../../output.ts'
import type { StateFiles } from './state-files.ts'

type ViewPlan = StatePlan['views'][number]

const SIGNS = { create: '+', change: '~', close: '-' } as const
const STYLES = { '+': 'green', '~': 'yellow', '-': 'red' } as const

type Sign = keyof typeof STYLES

/** Formats what would change, view by view, with the places of what blocks it. */
export function stateText(
  out: Output,
  { views }: Pick<StatePlan, 'views'>,
  files: Pick<StateFiles, 'placeOf'>,
): string {
  const texts = views.map((view) => viewText(out, view, files)).filter((text) => text !== '')
  return [...texts, countsOf(views)].join('\n\n')
}

/** Formats what has changed. */
export function changedText({ views, overridden }: StateChange): string {
  const lines = views.flatMap(({ view, act, made_revision: made }) => {
    if (act === 'keep') return []
    const verb = { create: 'Created', change: 'Changed', close: 'Closed' }[act]
    return [`${verb} ${view}${made === null ? '' : `, which is at revision ${made.replace(/-.*/, '')}`}.`]
  })
  return [...lines, ...overridden.map((detail) => `overridden: ${printable(detail)}`)].join('\n')
}

function viewText(out: Output, plan: ViewPlan, files: Pick<StateFiles, 'placeOf'>): string {
  if (plan.act === 'keep') return ''
  const line = (sign: Sign, text: string) => `${out.style(STYLES[sign], sign)} ${printable(text)}`
  const at = plan.act === 'create' ? '' : `, at revision ${plan.revision}`
  return [
    line(SIGNS[plan.act], `view ${plan.view}${at}`),
    ...settingLines(plan).map(([sign, text]) => `    ${line(sign, text)}`),
    ...releaseLines(plan).map(([sign, text]) => `    ${line(sign, text)}`),
    ...plan.notes.map((note) => `    ${note}`),
    ...plan.blocked.map(
      ({ rule, detail, pointer }) =>
        `    ${out.style('red', 'blocked')} by ${rule}: ${printable(detail)}, ${files.placeOf(pointer)}`,
    ),
  ].join('\n')
}

function settingLines({ rule, ungoverned, gates }: ViewPlan): [Sign, string][] {
  const settings: { name: string; from: unknown; to: unknown }[] = []
  if (rule !== null) settings.push({ name: 'rule', ...rule })
  if (ungoverned !== null) settings.push({ name: 'ungoverned', ...ungoverned })
  for (const name of Object.keys(gates?.to ?? {}) as (keyof GateSettings)[])
    settings.push({ name: `gates.${name}`, from: gates?.from?.[name], to: gates?.to[name] })
  return settings.flatMap(({ name, ...change }): [Sign, string][] => {
    const [from, to] = [valueText(change.from), valueText(change.to)]
    if (from === to) return []
    if (from === '') return [['+', `${name}: ${to}`]]
    return [to === '' ? ['-', `${name}: ${from}`] : ['~', `${name}: ${from} → ${to}`]]
  })
}

/** Formats a setting; nothing if it does not apply. */
function valueText(value: unknown): string {
  if (value === null || value === undefined || value === 0) return ''
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  if (Array.isArray(value)) return value.map(valueText).join(', ')
  return Object.entries(value)
    .flatMap(([name, part]) => (valueText(part) === '' ? [] : [`${name} ${valueText(part)}`]))
    .join(' ')
}

/** Returns a line for each move of `latest`, and one for the number of other changes. */
function releaseLines({ releases, pointers }: ViewPlan): [Sign, string][] {
  const moves = pointers.map(({ package: name, from, to, target }): [Sign, string] => {
    if (from === null) return ['+', `${to ?? name} (${target})`]
    return to === null ? ['-', `${from} (${target})`] : ['~', `${from} → ${to} (${target})`]
  })
  const shown = new Set(pointers.flatMap(({ from, to, target }) => [`${from} ${target}`, `${to} ${target}`]))
  const others = releases.filter(
    ({ ident, target, change }) => change !== 'unchanged' && !shown.has(`${ident} ${target}`),
  )
  const count = (sign: Sign, isCounted: (change: string) => boolean, what: string): [Sign, string][] => {
    const found = others.filter(({ change }) => isCounted(change)).length
    return found === 0 ? [] : [[sign, `${found} ${what}`]]
  }
  return [
    ...moves,
    ...count('-', (change) => change === 'removed', 'more that are not latest'),
    ...count('~', (change) => change === 'joined', 'promoted again, so that latest stays'),
  ]
}

function countsOf(views: readonly ViewPlan[]): string {
  const count = (act: ViewPlan['act']) => views.filter((view) => view.act === act).length
  return `${count('create')} to create, ${count('change')} to change, ${count('close')} to close; ${count('keep')} as described.`
}
